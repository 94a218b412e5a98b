"""One sentence for each sanity cell: what was asked, what was seen, and whose fault it is where it does not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.run.said.sentences import range_us, rate_text, value_text
from seatrial.analysis.validity.judge import fault_of
from seatrial.plan.metrics import AT_ORIGIN, COUNTED, UPSTREAM
from seatrial.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.analysis.run.model import CaseSummary
    from seatrial.analysis.run.objectives import Outcome

WHOSE = {"system": "system under test"}
LIKELY = {
    "p99": "it has too few workers or CPUs for this rate, or waits for something: its origin, a log, a limit",
    "errors": "a limit of connections or requests, a time-out, a route that leads elsewhere, or an origin that is down",
    COUNTED: "it refuses or closes idle connections (a limit, an idle time-out), or has other clients",
    UPSTREAM: "it connects to its origin without a request: connections opened ahead, or health checks",
    AT_ORIGIN: "something connects to the origin without a request: connections opened ahead, health checks, others",
}
READ_LOG = "read the system's log under logs/ and its configuration under configs/"
THEN = "then go on with `seatrial run --resume` and this directory"


def sanity_sentence(cell: CaseSummary) -> str:
    """Return the result of a cell as a sentence without a full stop."""
    what = f"sanity, {cell.case.system} {_asked(cell)}"
    outcome = cell.sanity_outcome
    if outcome == "not run":
        return f"{what}: not run"
    attempts = len(cell.attempts)
    tries = f" in {attempts} attempts" if attempts > 1 else ""
    if outcome == "passed":
        return f"{what}: PASS{tries}, {', '.join(_seen(cell))}"
    if outcome == "doubted":
        causes = "; ".join(f"{cause.text} ({fault_of(cause)})" for cause in cell.validity.causes)
        return (
            f"{what}: INVALID{tries}, which says nothing against the system: {causes};"
            f" remedy: {cell.validity.causes[0].remedy}"
        )
    return f"{what}: FAIL{tries}, so that no case was run: {_fault(cell)}"


def _asked(cell: CaseSummary) -> str:
    lasts = format_duration(cell.case.measure_s)
    if cell.case.sends:
        return f"at {rate_text(cell.case.rate_per_s or 0)} requests/s for {lasts}"
    return f"with {cell.case.held:,} idle connections for {lasts}"


def _fault(cell: CaseSummary) -> str:
    causes = cell.validity.causes
    if causes:
        texts = "; ".join(cause.text for cause in causes)
        fault = fault_of(causes[0])
        return f"{texts} (fault: {WHOSE.get(fault, fault)}); next: {causes[0].remedy}, {THEN}"
    broken = [outcome for outcome in cell.verdict.outcomes if outcome.held is False]
    texts = ", ".join(f"`{outcome.objective.text}` does not hold: {_value(outcome)}" for outcome in broken)
    seen = "".join(f"; {finding}" for finding in cell.findings)
    cause = LIKELY.get(broken[0].objective.metric, LIKELY["errors"])
    return f"{texts}{seen} (fault: system under test); likely cause: {cause}; next: {READ_LOG}, {THEN}"


def _seen(cell: CaseSummary) -> Iterator[str]:
    for outcome in cell.verdict.outcomes:
        metric = outcome.objective.metric
        if outcome.held is None:
            yield _uncounted(cell, metric)
        elif metric == COUNTED:
            gauge = cell.trials[-1].own_gauge
            by = (
                "the kernel, for it does not itself" if gauge is not None and gauge.is_by_kernel else "itself"
            )
            yield f"{_value(outcome)} connections counted by {by}"
        elif metric == UPSTREAM:
            yield f"{_value(outcome)} to its origin by its own count"
        elif metric == AT_ORIGIN:
            yield f"{_value(outcome)} connections came in at the origin"
        elif metric == "errors":
            yield f"{_value(outcome)} errors"
        else:
            yield f"p99 {_value(outcome)} ({outcome.objective.text} was asked)"


def _uncounted(cell: CaseSummary, metric: str) -> str:
    if metric == UPSTREAM:
        return f"connections to its origin cannot be counted by {cell.case.system}"
    if metric == AT_ORIGIN:
        return "connections at the origin cannot be counted by the origin"
    return f"{metric} cannot be counted"


def _value(outcome: Outcome) -> str:
    known = [value for value in outcome.values if value is not None]
    metric = outcome.objective.metric
    shown = range_us(min(known), max(known)) if metric == "p99" else value_text(metric, max(known))
    lost = f", and {max(outcome.lost):,} requests had no answer" if outcome.lost else ""
    return f"{shown}{lost}"
