"""One sentence of verdict for each system, with the figures that bear it out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from seatrial.analysis.discovery.figures import FIGURES
from seatrial.analysis.load.answered import error_count
from seatrial.analysis.measured import unit_of
from seatrial.analysis.run.objectives import AS_EXPECTED
from seatrial.analysis.wording import plural
from seatrial.plan.metrics import OF_CHANGES, OF_DISCOVERY
from seatrial.plan.observed import OBSERVED
from seatrial.units import format_per_s, format_size, format_us

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.analysis.load.result import LoadResult
    from seatrial.analysis.reasons import Reason
    from seatrial.analysis.run.model import CaseSummary, TrialSummary
    from seatrial.analysis.run.objectives import Outcome

# The worst state first: a system is what its worst case is.
STATES = ("INVALID", "FAIL", "unfinished", "not run", "VALID", "PASS")
CASES_NAMED_LIMIT = 3


def state_of(cases: Sequence[CaseSummary]) -> str:
    """Return the worst state of the cases; "PASS" needs every case to pass."""
    return min((case.state for case in cases), key=STATES.index, default="not run")


def sentence_of(label: str, cases: Sequence[CaseSummary]) -> str:
    """Return the verdict of one system as a sentence without a full stop."""
    aside = set_aside_text(cases)
    return f"{_verdict(label, cases)}; {aside}" if aside else _verdict(label, cases)


def _verdict(label: str, cases: Sequence[CaseSummary]) -> str:
    state = state_of(cases)
    failed = [case for case in cases if case.state == "FAIL"]
    if state == "INVALID" and failed:
        # What failed has failed, whatever else cannot be believed.
        doubted = sum(case.state == "INVALID" for case in cases)
        where = f"INVALID in {doubted} of {plural(len(cases), 'case')}, where {_doubts(cases)}"
        return f"{label}: FAIL, {_failures(cases)}; {where}"
    if state == "INVALID":
        return f"{label}: INVALID, {_doubts(cases)}{_in_doubt(cases)}{_not_enough(cases)}"
    if state == "FAIL":
        return f"{label}: FAIL, {_failures(cases)}; {_figures(cases)}{_even_so(cases)}"
    if state in {"not run", "unfinished"}:
        ran, planned = sum(len(case.trials) for case in cases), sum(case.repeats for case in cases)
        return f"{label}: not finished, {ran} of {plural(planned, 'trial')} ran"
    return f"{label}: {state}, {_figures(cases)}{_even_so(cases)}"


def range_us(least: float, greatest: float) -> str:
    """Return "404 us" or "0.41 to 0.62 ms" style text: the unit once where both have it."""
    low, high = format_us(least), format_us(greatest)
    if low == high:
        return low
    low_number, _, low_unit = low.partition(" ")
    return f"{low_number if low_unit == high.partition(' ')[2] else low} to {high}"


def _doubts(cases: Sequence[CaseSummary]) -> str:
    doubted = [trial for case in cases for trial in case.trials if trial.validity.reasons]
    unjudged = [case for case in cases if case.own_causes]
    own = _first([cause for case in unjudged for cause in case.own_causes]) if unjudged else ""
    if not doubted:
        return own
    trials = plural(sum(len(case.trials) for case in cases), "trial")
    text = f"{len(doubted)} of {trials} cannot be believed: {_causes(doubted)}"
    return f"{text}; and in {len(unjudged)} of {plural(len(cases), 'case')}: {own}" if own else text


def _not_enough(cases: Sequence[CaseSummary]) -> str:
    """Say which latencies hold and are doubted too much for a PASS."""
    found = [
        (case, outcome) for case in cases for outcome in case.verdict.outcomes if outcome.needed is not None
    ]
    if not found:
        return ""
    case, outcome = found[0]
    worst = max(value for value in outcome.values if value is not None)
    others = f", and as well in {plural(len(found) - 1, 'other place')}" if len(found) > 1 else ""
    return (
        f"; `{outcome.objective.text}` holds with {case.label}, but a PASS in doubt needs at most"
        f" {format_us(outcome.needed or 0)} in every trial, and one has {format_us(worst)}{others}"
    )


def _even_so(cases: Sequence[CaseSummary]) -> str:
    doubted = [case for case in cases if case.at_most]
    if not doubted:
        return ""
    return f"; the figures of {plural(len(doubted), 'case')} are at most: {_doubts(doubted)}"


def set_aside_text(cases: Sequence[CaseSummary]) -> str | None:
    """Return "1 of 3 attempts set aside: requests left late: ..." or None where none was."""
    aside = [trial for case in cases for trial in case.set_aside]
    if not aside:
        return None
    made = plural(sum(len(case.attempts) for case in cases), "attempt")
    return f"{len(aside)} of {made} set aside: {_causes(aside)}"


def _causes(trials: Sequence[TrialSummary]) -> str:
    # What follows from a cause is not counted beside it.
    return _first([cause for trial in trials for cause in trial.validity.causes])


def _first(found: Sequence[Reason]) -> str:
    # A cause that several share counts once.
    causes: dict[str, str] = {}
    for reason in found:
        causes.setdefault(reason.code, reason.text)
    first, more = next(iter(causes.values())), len(causes) - 1
    return f"{first} (and {plural(more, 'other reason')})" if more else first


def _in_doubt(cases: Sequence[CaseSummary]) -> str:
    """Say what does not hold by figures that cannot be believed: whoever mends what is doubted will meet it next."""
    broken = _failures(cases, "INVALID")
    return f"; by what was measured all the same, {broken}" if broken else ""


def _failures(cases: Sequence[CaseSummary], state: str = "FAIL") -> str:
    broken: dict[str, list[str]] = {}
    for case in cases:
        for outcome in case.verdict.outcomes:
            if outcome.held is False and case.state == state:
                broken.setdefault(outcome.objective.text, []).append(
                    f"{case.label}: {_values(case, outcome)}"
                )
    return "; ".join(
        f"{text} does not hold in {len(where)} of {plural(len(cases), 'case')} ({_some(where)})"
        if text != AS_EXPECTED.text
        else f"answers were not as expected in {len(where)} of {plural(len(cases), 'case')} ({_some(where)})"
        for text, where in broken.items()
    )


def _values(case: CaseSummary, outcome: Outcome) -> str:
    if outcome.implicit:
        return case.findings[0]
    known = [value for value in outcome.values if value is not None]
    metric = outcome.objective.metric
    if metric.startswith(OBSERVED):
        numbers = " to ".join(dict.fromkeys(f"{value:,.6g}" for value in (min(known), max(known))))
        values = f"{numbers} {outcome.objective.unit}".strip()
    elif unit_of(metric) == "us":
        values = range_us(min(known), max(known))
    else:
        low, high = value_text(metric, min(known)), value_text(metric, max(known))
        values = low if low == high else f"{low} to {high}"
    if outcome.lost:
        kind = "change" if metric in OF_CHANGES else "service" if metric in OF_DISCOVERY else "request"
        lost = plural(max(outcome.lost), kind)
        values += f", and up to {lost} {'without an answer' if kind == 'request' else 'that never came'}"
    if len(known) == 1:
        return values
    return f"{values}, in {outcome.repeats_failed} of {len(known)} repeats"


def value_text(metric: str, value: float) -> str:
    """Return a metric's value with its unit, as a person would write it."""
    if unit_of(metric) == "us":
        return format_us(value)
    if metric == "achieved":
        # Rounded down: what fails by a hair must not read as if it held.
        return f"{math.floor(value * 10_000) / 100:g} %"
    if metric == "proxy_memory":
        return format_size(round(value))
    if metric == "proxy_cpu_cores":
        return f"{value:.3g} cores"
    return f"{value:,.0f}"


def _some(where: Sequence[str]) -> str:
    shown = ", ".join(where[:CASES_NAMED_LIMIT])
    return shown if len(where) <= CASES_NAMED_LIMIT else f"{shown} and {len(where) - CASES_NAMED_LIMIT} more"


def _figures(cases: Sequence[CaseSummary]) -> str:
    loads = [trial.load for case in cases for trial in case.trials if trial.load is not None]
    latencies = [load.latency_us.p99 for load in loads if load.latency_us.count]
    parts = []
    if latencies:
        parts.append(f"p99 {range_us(min(latencies), max(latencies))} over {_extent(cases)}")
    errors, carried = sum(error_count(load) for load in loads), _carried(cases)
    # The load of a discoverer only waits: that nothing befell it says nothing of who carries services.
    parts += [*carried, *([plural(errors, "error")] if errors or not carried else []), *_achieved(loads)]
    return ", ".join(parts)


def _carried(cases: Sequence[CaseSummary]) -> list[str]:
    uses = [trial.discovery for case in cases for trial in case.trials if trial.discovery is not None]
    if not uses:
        return []
    counts = sorted({use.services for use in uses})
    services = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    times_us = [s * 1e6 for use in uses if (s := FIGURES["discovered_all_s"](use)) is not None]
    if len(times_us) < len(uses):
        return [f"not all of {services} services there", f"{sum(use.missing for use in uses):,} missing"]
    return [f"{services} services there after {range_us(round(min(times_us)), round(max(times_us)))}"]


def _extent(cases: Sequence[CaseSummary]) -> str:
    repeats = max((len(case.trials) for case in cases), default=0)
    return f"{plural(len(cases), 'case')} x {plural(repeats, 'repeat')}"


def _achieved(loads: Sequence[LoadResult]) -> list[str]:
    asked = sorted({load.rate_per_s.requested for load in loads if load.rate_per_s.requested})
    if not asked:
        return []
    if len(asked) == 1:
        lowest = min(load.rate_per_s.achieved for load in loads)
        return [f"{rate_text(lowest)} requests/s achieved of {rate_text(asked[0])}"]
    shares = [load.requests.completed / load.requests.intended for load in loads if load.requests.intended]
    asked_text = f"{rate_text(asked[0])} to {rate_text(asked[-1])} requests/s asked for"
    return [f"{asked_text}, at least {math.floor(min(shares, default=0.0) * 1_000) / 10}% of each answered"]


def rate_text(per_s: float) -> str:
    """Return a rate without its unit, with as many digits as it needs: ``2,000``, ``0.5``."""
    return format_per_s(per_s).removesuffix("/s")
