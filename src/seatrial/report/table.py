"""The results table, the same in every output: requested beside achieved, the direct baseline beside the systems."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.analysis.load.answered import error_count
from seatrial.analysis.load.ours import worth_showing
from seatrial.analysis.objects import probes_of
from seatrial.analysis.run.labels import UNPROXIED
from seatrial.analysis.run.said.sentences import range_us, rate_text
from seatrial.analysis.wording import plural
from seatrial.report.during import discovered
from seatrial.systems.registry import is_proxy
from seatrial.units import format_us

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from seatrial.analysis.run.model import CaseSummary, RunSummary, TrialSummary
    from seatrial.analysis.run.spread import Spread

NONE = "-"
CLOSED_LOOP = "closed loop"
UNMEASURED = "not measured"
MEGABYTE = 1_000_000
KILOBYTE = 1_000


@dataclass(frozen=True, slots=True)
class Column:
    """One column; ``heading`` holds the unit where the cells do not."""

    key: str
    heading: str


@dataclass(frozen=True, slots=True)
class Row:
    """One case of one system; ``cells`` by column key. ``first_of_group`` begins a new combination of variables."""

    state: str
    cells: dict[str, str]
    first_of_group: bool


RESULT_COLUMNS = (
    Column("case", "Case"),
    Column("system", "System"),
    Column("state", "Verdict"),
    Column("asked", "Requests/s asked"),
    Column("achieved", "Requests/s achieved"),
    Column("held", "Held connections"),
    Column("errors", "Errors"),
    Column("p50", "p50"),
    Column("p99", "p99"),
    Column("p99_repeats", "p99 of repeats"),
    Column("p999", "p99.9"),
)
RESOURCE_COLUMNS = (
    Column("case", "Case"),
    Column("system", "System"),
    Column("cpu", "System CPU (cores)"),
    Column("cpu_per_1000", "Cores per 1,000 requests/s"),
    Column("memory", "System memory (MB)"),
    Column("memory_per_connection", "Memory per connection (kB)"),
    Column("to_clients", "Sent to clients (MB/s)"),
)

DISCOVERED_COLUMNS = (
    *RESULT_COLUMNS[:3],
    *(Column(key, heading) for key, heading in discovered.HEADINGS.items()),
)
"""Of a run of discoverers only, in place of ``RESULT_COLUMNS``."""
DISCOVERED_RESOURCE_COLUMNS = tuple(
    column for column in RESOURCE_COLUMNS if column.key in {"case", "system", "cpu", "memory"}
)

# Of the texts that ``count_rows`` returns.
COUNT_HEADINGS = ("Trial", "Case", "Repeat", "Generator", "System", "System to origin", "Origin", "Agreement")


def result_columns(summary: RunSummary) -> tuple[Column, ...]:
    """Return the columns of the results: of discoverers what they carried, else of the load."""
    return DISCOVERED_COLUMNS if discovered.only_discoverers(summary) else RESULT_COLUMNS


def resource_columns(summary: RunSummary) -> tuple[Column, ...]:
    """Return the columns of what the systems used: of discoverers without what is of a load."""
    return DISCOVERED_RESOURCE_COLUMNS if discovered.only_discoverers(summary) else RESOURCE_COLUMNS


def result_rows(summary: RunSummary) -> tuple[Row, ...]:
    """Return the rows: combinations in plan order, systems of each together, first the baseline, measured or not."""
    # By the values themselves: a label is for reading.
    groups: dict[tuple[tuple[str, float], ...], list[CaseSummary]] = {}
    for case in summary.cases:
        groups.setdefault(case.case.variables, []).append(case)
    rows = []
    for group in groups.values():
        ordered = sorted(group, key=lambda case: case.case.kind != UNPROXIED)
        lacks_baseline = is_proxy(ordered[0].case.kind)
        if lacks_baseline:
            rows.append(_no_baseline(ordered[0]))
        rows += [_row(case, first=not lacks_baseline and case is ordered[0]) for case in ordered]
    return tuple(rows)


def resource_rows(summary: RunSummary) -> tuple[Row, ...]:
    """Return the rows of cases that were to be measured: a baseline that is missing has used nothing."""
    return tuple(row for row in result_rows(summary) if row.state != UNMEASURED)


def ours_lines(summary: RunSummary) -> tuple[str, ...]:
    """Return "nginx, rate=2000: p99 1.72 ms, of which up to 1.03 ms may be ours", where more than a tenth may be."""
    return tuple(
        f"{case.case.system}, {case.label}: {', '.join(texts)}"
        for case in summary.cases
        if (texts := [text for name, heading in _OURS if (text := _ours(case, name, heading))])
    )


def ours_by_system(summary: RunSummary) -> tuple[str, ...]:
    """Return "nginx, 3 of 4 cases: up to 66 us of the p50, 1.03 ms of the p99": the most of any case."""
    lines = []
    for label in dict.fromkeys(case.case.system for case in summary.cases):
        own = [case for case in summary.cases if case.case.system == label]
        most = {heading: _most_ours(own, name) for name, heading in _OURS}
        texts = [f"{format_us(ours)} of the {heading}" for heading, ours in most.items() if ours is not None]
        if texts:
            count = sum(any(_ours_us(case, name) is not None for name, _ in _OURS) for case in own)
            lines.append(f"{label}, {count} of {plural(len(own), 'case')}: up to {', '.join(texts)}")
    return tuple(lines)


def set_aside_lines(summary: RunSummary) -> tuple[str, ...]:
    """Return why each attempt was set aside, and whether that fell on one system more than on the others."""
    lines = [
        f"trial {trial.order}, {case.case.id}: {'; '.join(cause.text for cause in trial.validity.causes)}"
        for case, trial in trials_in_order(summary)
        if trial in case.set_aside
    ]
    return (*lines, summary.uneven) if summary.uneven else tuple(lines)


def count_rows(summary: RunSummary) -> tuple[tuple[str, ...], ...]:
    """Return (trial, case, repeat, generator, system, system towards the origin, origin, agree) as texts."""
    return tuple(_count_row(case, trial) for case, trial in trials_in_order(summary))


def trials_in_order(summary: RunSummary) -> tuple[tuple[CaseSummary, TrialSummary], ...]:
    """Return every trial with its case, in the order of execution."""
    pairs = [(case, trial) for case in summary.cases for trial in case.attempts]
    return tuple(sorted(pairs, key=lambda pair: pair[1].order))


def _row(case: CaseSummary, *, first: bool) -> Row:
    cells = {key: read(case) for key, read in _CELLS.items()}
    return Row(case.state, cells, first)


def _no_baseline(beside: CaseSummary) -> Row:
    """Show that there is nothing to compare with: latencies of a proxy alone do not show what it adds."""
    shown = {"case": beside.label, "system": UNPROXIED, "state": UNMEASURED, "asked": _asked(beside)}
    return Row(UNMEASURED, dict.fromkeys(_CELLS, NONE) | shown, first_of_group=True)


def _latency(name: str) -> Callable[[CaseSummary], str]:
    def read(case: CaseSummary) -> str:
        return NONE if case.latency_us is None else _at_most(case, format_us(getattr(case.latency_us, name)))

    return read


_OURS = (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9"))


def _ours(case: CaseSummary, name: str, heading: str) -> str | None:
    ours_us = _ours_us(case, name)
    if ours_us is None:
        return None
    value = format_us(getattr(case.latency_us, name))
    return f"{heading} {value}, of which up to {format_us(ours_us)} may be ours"


def _ours_us(case: CaseSummary, name: str) -> float | None:
    """Return how much of a percentile may be ours, or None where that is not worth showing."""
    if case.latency_us is None or case.latency_ours_us is None:
        return None
    ours_us: float = getattr(case.latency_ours_us, name)
    return ours_us if worth_showing(getattr(case.latency_us, name), ours_us) else None


def _most_ours(cases: Sequence[CaseSummary], name: str) -> float | None:
    known = (ours_us for case in cases if (ours_us := _ours_us(case, name)) is not None)
    return max(known, default=None)


def _p99_repeats(case: CaseSummary) -> str:
    spread = case.spreads.get("p99")
    return NONE if spread is None else _at_most(case, range_us(spread.min, spread.max))


def _at_most(case: CaseSummary, text: str) -> str:
    return f"at most {text}" if case.at_most else text


def _asked(case: CaseSummary) -> str:
    if case.case.loop == "closed":
        return CLOSED_LOOP
    # Of the windows themselves, as what was achieved is: a trial that was cut has driven another part of a profile.
    asked = [trial.load.rate_per_s.requested for trial in case.trials if trial.load is not None]
    known = [per_s for per_s in asked if per_s]
    asked_per_s = statistics.median(known) if known else case.case.rate_per_s
    return NONE if asked_per_s is None else rate_text(asked_per_s)


def _achieved(case: CaseSummary) -> str:
    spread = case.spreads.get("achieved_per_s")
    return NONE if spread is None else rate_text(spread.median)


def _held(case: CaseSummary) -> str:
    loads = [trial.load for trial in case.trials if trial.load is not None]
    if not loads:
        return NONE
    return f"{min(load.connections.held.established for load in loads):,} of {case.case.held:,}"


def _errors(case: CaseSummary) -> str:
    loads = [trial.load for trial in case.trials if trial.load is not None]
    return f"{sum(error_count(load) for load in loads):,}" if loads else NONE


def _spread(key: str, form: str, divisor: float = 1) -> Callable[[CaseSummary], str]:
    def read(case: CaseSummary) -> str:
        spread: Spread | None = case.spreads.get(key)
        return NONE if spread is None else f"{spread.median / divisor:{form}}"

    return read


def _memory(case: CaseSummary) -> str:
    """Return megabytes, with the measure where it is not that of the other systems."""
    text = _spread("system_memory_bytes", ",.0f", MEGABYTE)(case)
    others = sorted(case.memory_measures - {"PSS"})
    return f"{text} ({', '.join(others)})" if others else text


def _memory_per_connection(case: CaseSummary) -> str:
    """Return kilobytes, which of processes are of RSS."""
    text = _spread("system_memory_bytes_per_connection", ",.1f", KILOBYTE)(case)
    return f"{text} (working set)" if text != NONE and "working set" in case.memory_measures else text


_CELLS: dict[str, Callable[[CaseSummary], str]] = {
    "case": lambda case: case.label,
    "system": lambda case: case.case.system,
    "state": lambda case: case.state,
    "asked": _asked,
    "achieved": _achieved,
    "held": _held,
    "p50": _latency("p50"),
    "p99": _latency("p99"),
    "p99_repeats": _p99_repeats,
    "p999": _latency("p999"),
    "errors": _errors,
    "cpu": _spread("system_cpu_cores", ".2f"),
    "cpu_per_1000": _spread("system_cpu_cores_per_1000_per_s", ".3f"),
    "memory": _memory,
    "memory_per_connection": _memory_per_connection,
    "to_clients": _spread("received_bytes_per_s", ",.2f", MEGABYTE),
    **discovered.CELLS,
}


def _count_row(case: CaseSummary, trial: TrialSummary) -> tuple[str, ...]:
    counts = trial.counts
    numbers = (
        counts.generator_completed, counts.system_requests, counts.system_upstream_requests,
        counts.origin_requests
    )  # fmt: skip
    texts = (NONE if number is None else f"{number:,}" for number in numbers)
    return str(trial.order), case.case.id, str(trial.repeat), *texts, _agreement(numbers, trial)


def _agreement(numbers: Sequence[int | None], trial: TrialSummary) -> str:
    probes = probes_of(trial.changes)
    completed, system, upstream, origin = numbers
    if probes.answered:
        # What a system has counted by route goes with the route.
        upstream = None
    sides = ((completed, 0), (system, probes.answered), (upstream, 0), (origin, probes.passed_on))
    of_load = [number - others for number, others in sides if number is not None]
    if len(of_load) < 2:
        return "not known"
    if len(set(of_load)) > 1:
        return f"differ by {max(of_load) - min(of_load):,}"
    return f"equal, with {probes.answered:,} probes" if probes.answered else "equal"
