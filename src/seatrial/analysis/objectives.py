"""PASS or FAIL: what the plan asks of a case, held against each of its trials."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seatrial.analysis.direction import all_answered
from seatrial.analysis.failures import error_count
from seatrial.plan.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from seatrial.analysis.resources import TrialResources
    from seatrial.analysis.result import Direction, LoadResult
    from seatrial.record.rows import RecordedObjective

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
}
_UNITS = {"achieved": "fraction", "proxy_cpu_cores": "cores", "proxy_memory": "bytes"}
# A latency under doubt may be this part of what was asked for, no more. In the order of arrival all of it would do; but
# systems that work in batches, and processes with connections of their own, answered some sooner because others
# came late: by up to 44 % in the simulation of ``docs/concepts/doubts.md``.
SPARE = 0.5
_LATENCIES = ("p50", "p75", "p90", "p99", "p999", "p9999", "max", "mean")


@dataclass(frozen=True, slots=True)
class Measured:
    """The numbers of one trial that an objective may be about; ``proxied`` False is a load without a proxy.

    ``timeout_s`` None is unknown.
    """

    load: LoadResult
    resources: TrialResources
    proxied: bool = True
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One objective of one case: the value in each repeat.

    ``held`` None is "does not apply" (no proxy, no rate) or, where ``unknown``, that a repeat has no value that it
    ought to have.
    """

    objective: RecordedObjective
    values: tuple[float | None, ...]
    held: bool | None
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """PASS, FAIL, or None where the plan asks nothing of this case or the case may not be believed."""

    state: Literal["PASS", "FAIL"] | None
    outcomes: tuple[Outcome, ...]


def judge_case(
    objectives: Sequence[RecordedObjective],
    trials: Sequence[Measured],
    *,
    doubt: Direction | None = None,
    repeats: int = 0,
) -> Verdict:
    """Judge a case: each objective must hold in every repeat.

    Without a ``doubt``, and with all values known, one trial is enough for a FAIL; a PASS needs all of the ``repeats``
    that were planned. Where doubts only inflate, a PASS is one that holds even so, and there is no FAIL.
    """
    outcomes = tuple(_outcome(objective, trials) for objective in objectives)
    judged = [outcome for outcome in outcomes if outcome.held is not None]
    if doubt == "either" or not judged or any(outcome.unknown for outcome in outcomes):
        return Verdict(None, outcomes)
    failed = not all(outcome.held for outcome in judged)
    if doubt is None:
        return Verdict("FAIL" if failed else "PASS" if len(trials) >= repeats else None, outcomes)
    holds = not failed and all(_holds_even_so(outcome.objective, trials) for outcome in judged)
    return Verdict("PASS" if holds and len(trials) >= repeats else None, outcomes)


def metric_value(metric: str, trial: Measured) -> float | None:
    """Return a metric of one trial: latencies in us, memory in bytes; None where it does not apply."""
    if metric in _LATENCIES:
        value: float = getattr(trial.load.latency_us, metric)
        return value if trial.load.latency_us.count else None
    if metric == "errors":
        return error_count(trial.load)
    if metric == "achieved":
        requested = trial.load.rate_requested_per_s
        return trial.load.rate_achieved_per_s / requested if requested else None
    system = trial.resources.role("system")
    if metric == "proxy_cpu_cores":
        return system.cpu_cores_mean if system is not None else None
    if metric == "proxy_memory":
        return system.memory_bytes_max if system is not None else None
    return None


def unit_of(metric: str) -> str:
    """Return the unit of a metric's values and thresholds."""
    return "us" if metric in _LATENCIES else _UNITS.get(metric, "count")


def _outcome(objective: RecordedObjective, trials: Sequence[Measured]) -> Outcome:
    values = tuple(metric_value(objective.metric, trial) for trial in trials)
    known = [value for value in values if value is not None]
    if any(
        value is None and _applies(objective.metric, trial)
        for value, trial in zip(values, trials, strict=True)
    ):
        return Outcome(objective, values, held=None, unknown=True)
    compare = _COMPARISONS[objective.comparison]
    held = all(compare(value, objective.threshold) for value in known) if known else None
    return Outcome(objective, values, held)


def _holds_even_so(objective: RecordedObjective, trials: Sequence[Measured]) -> bool:
    """Return whether an objective that holds in inflated numbers holds in the true ones, too.

    Docs: ``docs/concepts/doubts.md``, with the counterexamples that each condition is there for.
    """
    metric = METRICS.get(objective.metric)
    if metric is None or not metric.raised or not _is_upper_bound(objective):
        return False
    if not all(all_answered(trial.load) for trial in trials):
        return False
    if objective.metric in _LATENCIES:
        spare = SPARE * objective.threshold
        return all(
            (value := metric_value(objective.metric, trial)) is None or value <= spare for trial in trials
        )
    # The time-out runs from when a request leaves. One that left late was spared the wait that it should have seen.
    return all(_none_would_time_out(trial) for trial in trials)


def _is_upper_bound(objective: RecordedObjective) -> bool:
    nothing = objective.comparison == "==" and objective.threshold == 0
    return nothing or objective.comparison in {"<", "<="}


def _none_would_time_out(trial: Measured) -> bool:
    return trial.timeout_s is not None and trial.load.latency_us.max < trial.timeout_s * 1e6


def _applies(metric: str, trial: Measured) -> bool:
    if metric.startswith("proxy_"):
        return trial.proxied
    return metric != "achieved" or bool(trial.load.rate_requested_per_s)
