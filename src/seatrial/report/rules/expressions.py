"""From an objective to the expression that is there while it does not hold, or to why no expression says that.

What is counted begins with 0 in each phase of a trial, so that a counter of the measure phase is of all of it so far,
and no rate over some other time is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from seatrial.analysis.load.failures import OWN_LIMITS
from seatrial.analysis.load.histograms import QUANTILES
from seatrial.analysis.run.objectives import samples_needed
from seatrial.plan.discovered import NOT_DISCOVERED, QUEUE_PEAK
from seatrial.plan.metrics import DURING, METRICS, OF_CHANGES, OF_CONTROLLER, OF_DISCOVERY
from seatrial.plan.observed import OBSERVED, parts_of
from seatrial.systems.registry import is_proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seatrial.plan.model.load import LoadPlan
    from seatrial.plan.model.plan import Objective

TRIAL: Final = "run, system, case, trial"
"""What tells trials apart, and alerts."""
HIGHEST_BOUND_S: Final = 60.0
"""Of the classic buckets: above it a percentile is not told from this."""
_MICROSECONDS: Final = 1e6
_NOT: Final[Mapping[str, str]] = {"<": ">=", "<=": ">", "==": "!=", ">": "<=", ">=": "<"}
_UPPER: Final = ("<", "<=")


@dataclass(frozen=True, slots=True)
class Exact:
    """What holds while the objective does not, as PromQL; ``value`` formats what was found, ``note`` qualifies it."""

    expression: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class AfterTheTrial:
    """``reason`` why no expression says it while the trial runs: the verdict does, after it."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotAsked:
    """``reason`` why the objective is not asked of this system at all."""

    reason: str


Watched = Exact | AfterTheTrial | NotAsked


@dataclass(frozen=True, slots=True)
class Selection:
    """The series of one system of a plan: label matchers without the braces, and the load that the plan puts on it."""

    kind: str
    matchers: str
    load: LoadPlan

    def measured(self, metric: str, *more: str) -> str:
        """Return the series of a metric in the measure phase."""
        return self.whole(metric, 'phase="measure"', *more)

    def whole(self, metric: str, *more: str) -> str:
        """Return the series of a metric in any phase."""
        return f"{metric}{{{', '.join((self.matchers, *more))}}}"


def watched(objective: Objective, of: Selection) -> Watched:
    """Return how it is seen that an objective does not hold for a system."""
    metric = objective.metric
    if not is_proxy(of.kind) and _is_of_proxy(metric):
        return NotAsked("there is no proxy")
    if metric == "achieved" and of.load.peak_rate_per_s is None:
        return NotAsked("the load has no rate")
    if metric in QUANTILES:
        return _percentile(objective, of)
    found = _READ.get(metric)
    return AfterTheTrial(_reason(metric)) if found is None else found(objective, of)


def _is_of_proxy(metric: str) -> bool:
    own = metric.startswith(("proxy_", DURING)) or metric == "rejected"
    return own or metric in OF_CHANGES or metric in OF_CONTROLLER


def _reason(metric: str) -> str:
    if metric.startswith(OBSERVED):
        return "the plan's Prometheus is asked once the measure phase is over"
    if metric in OF_DISCOVERY:
        return "a step of a discoverer is judged once it is over"
    if metric.startswith(DURING):
        return "the windows of disturbances are known when the trial is over"
    if metric in OF_CHANGES:
        return "changes that are not live yet may be late or lost, which the end of the trial decides"
    if metric.endswith("_cpu_cores"):
        return "it is the mean over the whole measure phase, which a rate over some of it is not"
    is_greatest = metric == "max"
    return (
        "buckets do not hold the greatest value"
        if is_greatest
        else "no metric of a run has it while the trial runs"
    )


def _percentile(objective: Objective, of: Selection) -> Watched:
    threshold_s = objective.threshold / _MICROSECONDS
    if threshold_s >= HIGHEST_BOUND_S:
        return AfterTheTrial(f"the buckets of the latencies end at {HIGHEST_BOUND_S:g} s")
    buckets = of.measured("seatrial_request_latency_seconds_bucket")
    samples = of.measured("seatrial_request_latency_seconds_count")
    quantile, needed = QUANTILES[objective.metric], samples_needed(objective.metric)
    return Exact(
        f"histogram_quantile({quantile:g}, sum by ({TRIAL}, le) ({buckets})) {_violates(objective, threshold_s)}\n"
        f"and on ({TRIAL}) sum by ({TRIAL}) ({samples}) >= {needed}",
        "{{ $value | humanizeDuration }}",
        "Estimated within the bucket that it falls into: the error is less than that bucket is wide, and the report "
        f"has it to 0.1 %. Of the measure phase so far, once there are the {needed:,} latencies that it needs; "
        "requests without an answer are in it with the time that was waited for them.",
    )


def _mean(objective: Objective, of: Selection) -> Watched:
    latency = "seatrial_request_latency_seconds"
    total, samples = (f"sum by ({TRIAL}) ({of.measured(f'{latency}_{part}')})" for part in ("sum", "count"))
    return Exact(
        f"{total} / {samples} {_violates(objective, objective.threshold / _MICROSECONDS)}",
        "{{ $value | humanizeDuration }}",
        "Of the measure phase so far.",
    )


def _achieved(objective: Objective, of: Selection) -> Watched:
    # What is under way is neither answered nor lost yet, and is counted as neither.
    lost = f"sum by ({TRIAL}) ({_outcomes(of, _UNANSWERED)})"
    intended = f"sum by ({TRIAL}) ({of.measured('seatrial_intended_requests_total')})"
    return Exact(
        f"1 - {lost} / {intended} {_violates(objective, objective.threshold)}",
        "{{ $value | humanizePercentage }}",
        "Of the measure phase so far; requests under way are not taken for lost.",
    )


_DROPPED = "failed|in_flight|timed_out"
_UNANSWERED = f"{_DROPPED}|unsent"


def _outcomes(of: Selection, outcomes: str) -> str:
    return of.measured("seatrial_requests_total", f'outcome=~"{outcomes}"')


def _unexpected(of: Selection) -> str:
    expected = "|".join(map(str, of.load.expect_status)) or "2.."
    return of.measured("seatrial_responses_total", f'status!~"{expected}"')


def _unopened(of: Selection) -> str:
    kinds = "|".join(("connect_.*", "tls_.*", *OWN_LIMITS))
    return of.measured("seatrial_errors_total", f'kind=~"{kinds}"')


def _counting(
    parts: Callable[[Selection], tuple[str, ...]], *, of_answers: bool = False, of_idle: bool = False
) -> Callable[[Objective, Selection], Watched]:
    """Return what counts the series of ``parts``, which together are what the objective counts.

    ``of_answers``: what is expected of them decides; ``of_idle``: so do the requests of idle connections.
    """

    def read(objective: Objective, of: Selection) -> Watched:
        load = of.load
        if of_answers and (load.expect_header is not None or load.expect_body is not None):
            return AfterTheTrial("answers whose header or body is not as expected have no metric")
        if of_idle and load.hold_traffic != "silent":
            return AfterTheTrial("answers to idle connections have no metric")
        if not _is_ceiling(objective):
            return AfterTheTrial("a count that grows says only at the end that it is too small")
        # Series that are not there yet count nothing; those of a sum are told apart by a label of their own.
        counted = "\n  or ".join(parts(of))
        return Exact(
            f"sum by ({TRIAL}) (\n  {counted}\n) {_violates(objective, objective.threshold)}",
            "{{ $value }}",
            "Of the measure phase so far; what is under way when it ends is counted then.",
        )

    return read


def _memory(role: str) -> Callable[[Objective, Selection], Watched]:
    def read(objective: Objective, of: Selection) -> Watched:
        if objective.comparison not in _UPPER:
            return AfterTheTrial("that it never became larger is known at the end")
        size = of.whole("seatrial_role_memory_bytes", f'role="{role}"')
        return Exact(
            f"sum by ({TRIAL}) ({size}) {_violates(objective, objective.threshold)}",
            "{{ $value | humanize1024 }}B",
            "All members together, at any look in any phase of the trial.",
        )

    return read


def _of_discoverer(
    expression: Callable[[Selection], str], note: str
) -> Callable[[Objective, Selection], Watched]:
    """Return what is violated as soon as it is seen, for it only grows."""

    def read(objective: Objective, of: Selection) -> Watched:
        if not _is_ceiling(objective):
            return AfterTheTrial("that it never became larger is known at the end")
        return Exact(f"{expression(of)} {_violates(objective, objective.threshold)}", "{{ $value }}", note)

    return read


def _queue_depth(of: Selection) -> str:
    return f"max by ({TRIAL}) ({of.whole('seatrial_discovery_queue_depth')})"


def _not_discovered(of: Selection) -> str:
    # What is missing at the end is among those that were missing in a step before.
    missing = of.whole("seatrial_discovery_step_services", 'state="missing"', 'step!="end"')
    return f"sum by ({TRIAL}) ({missing})"


_READ: Final[Mapping[str, Callable[[Objective, Selection], Watched]]] = {
    "mean": _mean,
    "achieved": _achieved,
    "dropped": _counting(lambda of: (_outcomes(of, _DROPPED),)),
    "unanswered": _counting(lambda of: (_outcomes(of, _UNANSWERED),), of_idle=True),
    "unexpected": _counting(lambda of: (_unexpected(of),), of_answers=True, of_idle=True),
    "errors": _counting(
        lambda of: (_outcomes(of, _UNANSWERED), _unexpected(of), _unopened(of)), of_answers=True, of_idle=True
    ),
    "proxy_memory": _memory("system"),
    "controller_memory": _memory("controller"),
    QUEUE_PEAK: _of_discoverer(
        _queue_depth,
        "By the discoverer's own count at each scrape: a peak between two is in the verdict, and ends no alert.",
    ),
    NOT_DISCOVERED: _of_discoverer(
        _not_discovered, "Of the steps that are over; what is missing at the end only is in the verdict."
    ),
}


def _is_ceiling(objective: Objective) -> bool:
    return objective.comparison in _UPPER or (objective.comparison == "==" and objective.threshold == 0)


def _violates(objective: Objective, threshold: float) -> str:
    return f"{_NOT[objective.comparison]} {threshold:.12g}"


def words_of(metric: str) -> str:
    """Return what a metric means, as the plan's reference has it."""
    if (observed := parts_of(metric)) is not None:
        query, statistic = observed
        return f"{statistic} over the measure phase of what the plan's query `{query}` yields"
    return METRICS[metric].meaning
