"""Writes the tables into docs/reference/peers.md, between two marks; the words around them are written by hand."""

from __future__ import annotations

import os
import platform
import shlex
import statistics
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.peers.base import Load, Row
from benchmarks.peers.cost import RATE_PER_S as COST_RATE_PER_S
from benchmarks.peers.cost import CostOutcome
from benchmarks.peers.run import Measured
from benchmarks.peers.stall import RATE_PER_S, STALL_S, StallOutcome
from benchmarks.peers.tools import CHECKOUT
from benchmarks.peers.verdict import QUANTILES, truth_us
from seatrial.record.environment import describe

PAGE = CHECKOUT / "docs" / "reference" / "peers.md"
BEGIN = "<!-- tables: made by `make bench-peers`; what is written here by hand is lost -->"
END = "<!-- end of tables -->"
QUIET_LOAD_MAX = 2.5
"""Of the 5-minute average: the server and the tool each keep a core busy at most."""
BUSY = "**Other work ran on the machine meanwhile: take the costs as rough.**"
_SHOWN = ("http://127.0.0.1:8080/", Path("scratch"))


def replace_tables(page: str, tables: str) -> str:
    """Return the page with other tables; raises ValueError where it lacks the marks."""
    before, _ = page.split(BEGIN)
    _, after = page.split(END)
    return f"{before}{BEGIN}\n\n{tables}\n{END}{after}"


def tables_text(
    stalls: Sequence[StallOutcome], seconds: int, costs: Sequence[CostOutcome], each_s: int
) -> str:
    """Return all that was measured as Markdown."""
    rows = [*(outcome.row for outcome in stalls), *(outcome.row for outcome in costs)]
    parts = [
        machine_text(), "## Who reports the truth", stall_table(stalls, seconds),
        _commands(stalls, Load(_SHOWN[0], RATE_PER_S, seconds, _SHOWN[1])),
        "## At what CPU time per request", cost_table(costs, each_s),
        _commands(costs, Load(_SHOWN[0], COST_RATE_PER_S, each_s, _SHOWN[1])),
        "## Versions", versions_table(rows),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def machine_text() -> str:
    """Say when and on what this was measured."""
    cpu = describe({})["cpu"]
    loads = os.getloadavg()
    load = " / ".join(f"{value:.1f}" for value in loads)
    busy = " " + BUSY if loads[1] > QUIET_LOAD_MAX else ""
    return (
        f"Made by `make bench-peers`, ended on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: "
        f"{platform.system()} {platform.release().split('-')[0]}, {cpu['model']}, {cpu['online']} cores. "
        f"Load average at the end: {load} (1, 5, 15 minutes); the test itself makes 1 to 2.{busy}"
    )


def stall_table(outcomes: Sequence[StallOutcome], seconds: int) -> str:
    """Milliseconds as reported; above them what is true."""
    true = [_ms(truth_us(quantile, seconds, STALL_S)) for quantile in QUANTILES.values()]
    planned = f"{RATE_PER_S * seconds:,}"
    head = ["tool", "loop", "p50", "p99", "p99.9", "max", "requests made", "verdict"]
    rows = [["**the truth** (ms)", "", *true, planned, ""]]
    for outcome in outcomes:
        values = ["", "", "", ""]
        if outcome.report is not None:
            values = [_ms(getattr(outcome.report, name)) for name in QUANTILES]
        made = f"{outcome.made:,}" if outcome.made else ""
        rows.append([outcome.row.label, outcome.row.loop, *values, made, _judged(outcome)])
    return _table(head, rows)


def cost_table(outcomes: Sequence[CostOutcome], seconds: int) -> str:
    """Medians of the rounds with the least and the greatest, ratios to wrk's median where wrk was measured."""
    wrk = next((outcome for outcome in outcomes if outcome.row.label == "wrk" and outcome.rounds), None)
    base = None if wrk is None else statistics.median(one.cpu_us_per_request for one in wrk.rounds)
    head = [
        "tool",
        "loop",
        "requests/s",
        "CPU us per request",
        "to wrk",
        "its own count",
        "p50 reported (us)",
    ]
    return _table(head, [_cost_row(outcome, seconds, base) for outcome in outcomes])


def versions_table(rows: Iterable[Row]) -> str:
    """Name every tool once."""
    tools = {row.tool.name: row.tool for row in rows}
    return _table(["tool", "version", "from"], [[t.name, t.version(), t.source] for t in tools.values()])


def _judged(outcome: StallOutcome) -> str:
    doubt = None if outcome.report is None else outcome.report.doubt
    return outcome.verdict if doubt is None else f"{outcome.verdict}; INVALID by its own rules: {doubt}"


def _cost_row(outcome: CostOutcome, seconds: int, base: float | None) -> list[str]:
    start = [outcome.row.label + _doubts(outcome), outcome.row.loop]
    if not outcome.rounds:
        return [*start, f"not measured: {outcome.cause}", "", "", "", ""]
    cpu = [one.cpu_us_per_request for one in outcome.rounds]
    ratio = "" if base is None else f"{statistics.median(cpu) / base:.2f}"
    rate = _median(outcome.rounds, lambda one: one.report.requests / seconds)
    own = _median(outcome.rounds, lambda one: one.report.own_cpu_us_per_request)
    p50 = _median(outcome.rounds, lambda one: one.report.p50_us)
    return [
        *start, f"{rate:,.0f}", f"{statistics.median(cpu):.1f} ({min(cpu):.1f} to {max(cpu):.1f})", ratio,
        "" if own is None else f"{own:.1f}", "none" if p50 is None else f"{p50:,.0f}",
    ]  # fmt: skip


def _doubts(outcome: CostOutcome) -> str:
    """Name the rounds that the tool itself calls INVALID, and that one failed, after the label."""
    doubts = [one.report.doubt for one in outcome.rounds if one.report.doubt is not None]
    texts = [f"INVALID in {len(doubts)} of {len(outcome.rounds)} rounds: {doubts[0]}"] if doubts else []
    if outcome.rounds and outcome.cause is not None:
        texts.append(f"a round failed: {outcome.cause}")
    return f" ({'; '.join(texts)})" if texts else ""


def _median(rounds: Sequence[Measured], of: Callable[[Measured], float | None]) -> float | None:
    values = [value for one in rounds if (value := of(one)) is not None]
    return statistics.median(values) if values else None


def _commands(outcomes: Sequence[StallOutcome] | Sequence[CostOutcome], load: Load) -> str:
    lines = []
    for outcome in outcomes:
        stdin, command = outcome.row.stdin(load).strip(), shlex.join(outcome.row.command(load))
        lines.append(f"echo '{stdin}' | {command}" if stdin else command)
        lines.extend(shlex.join(after) for after in outcome.row.after(load))
    return "\n".join(["```sh", *lines, "```"])


def _ms(us: float | None) -> str:
    return "none" if us is None else f"{us / 1e3:,.1f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
