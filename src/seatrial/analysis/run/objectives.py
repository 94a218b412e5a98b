"""PASS or FAIL: what the plan asks of a case, held against each of its trials."""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from seatrial.analysis.discovery.metrics import counts_itself, discovered_in, is_least
from seatrial.analysis.load.answered import unanswered
from seatrial.analysis.load.histograms import QUANTILES
from seatrial.analysis.measured import LATENCY_METRICS, Measured, changed_in, metric_value
from seatrial.analysis.observed.figures import observed_values
from seatrial.analysis.validity.direction import all_answered
from seatrial.plan.discovered import OF_OWN_COUNT
from seatrial.plan.metrics import (
    AT_ORIGIN,
    DURING,
    GAP,
    METRICS,
    OF_CHANGES,
    OF_CONTROLLER,
    OF_DISCOVERY,
    REJECTED,
    UPSTREAM,
)
from seatrial.plan.observed import OBSERVED
from seatrial.record.tables.rows import RecordedObjective

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from seatrial.analysis.reasons import Direction

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
}
# A latency under doubt may be this part of what was asked for, no more. In the order of arrival all of it would do; but
# systems that work in batches, and processes with connections of their own, answered some sooner because others
# came late: by up to 44 % in the simulation of ``docs/concepts/doubts.md``.
SPARE = 0.5
_UPPER_BOUNDS = ("<", "<=")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One objective of one case: the value in each repeat.

    ``held`` None is "does not apply" (no proxy, no rate), where ``unknown`` that a repeat has no value that it ought to
    have, and where ``samples_needed`` that a repeat has fewer latencies than its percentile needs. ``implicit`` is an
    objective that every plan has without saying so. ``ours`` says that it does not hold, and that it might, were it not
    for the part of the latencies that may be the generator's. ``needed`` is what a doubted latency would have to be at
    most: it holds, and not by enough. ``lost`` is how many requests of each repeat had no answer, where those are more
    than the percentile leaves out: their latencies are not known to be within any bound.
    """

    objective: RecordedObjective
    values: tuple[float | None, ...]
    held: bool | None
    unknown: bool = False
    samples_needed: int | None = None
    samples_fewest: int | None = None
    implicit: bool = False
    ours: bool = False
    needed: float | None = None
    lost: tuple[int, ...] = ()

    @property
    def repeats_failed(self) -> int:
        """Return in how many repeats the objective does not hold."""
        compare = _COMPARISONS[self.objective.comparison]
        lost = self.lost or (0,) * len(self.values)
        return sum(
            bool(missing) or not compare(value, self.objective.threshold)
            for value, missing in zip(self.values, lost, strict=True)
            if value is not None
        )


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
    that were planned, and as many samples as each percentile needs. A latency that fails only by what may be the
    generator's fails nothing. Where doubts only inflate, a PASS is one that holds
    even so, and there is no FAIL. That answers are as expected is asked of every case whose plan does not speak of
    errors; it is among the outcomes where it does not hold.
    """
    outcomes = (*(_outcome(objective, trials) for objective in objectives), *_implicit(objectives, trials))
    judged = [outcome for outcome in outcomes if outcome.held is not None]
    unknown = [outcome.objective.metric for outcome in outcomes if outcome.unknown]
    # What a discoverer did not come to is unknown for what it did before: that is judged all the same.
    if doubt == "either" or not trials or not OF_DISCOVERY.issuperset(unknown):
        return Verdict(None, outcomes)
    failed = not all(outcome.held for outcome in judged)
    if failed:
        is_certain = doubt is None and any(outcome.held is False and not outcome.ours for outcome in outcomes)
        return Verdict("FAIL" if is_certain else None, outcomes)
    if unknown or not judged or len(trials) < repeats or any(outcome.samples_needed for outcome in outcomes):
        return Verdict(None, outcomes)
    if doubt is None or all(_holds_even_so(outcome.objective, trials) for outcome in judged):
        return Verdict("PASS", outcomes)
    return Verdict(None, tuple(_with_needed(outcome, trials) for outcome in outcomes))


def _with_needed(outcome: Outcome, trials: Sequence[Measured]) -> Outcome:
    objective = outcome.objective
    if not outcome.held or objective.metric not in LATENCY_METRICS or not _is_upper_bound(objective):
        return outcome
    needed = SPARE * objective.threshold
    return outcome if _holds_even_so(objective, trials) else replace(outcome, needed=needed)


AS_EXPECTED = RecordedObjective("answers are as expected", "unexpected", "==", 0)
"""What holds of every case unless its plan has an objective on errors of its own: nobody asks for a page of errors."""
_ON_ERRORS = ("errors", "unexpected", f"{DURING}errors", f"{DURING}unexpected")


def _implicit(objectives: Sequence[RecordedObjective], trials: Sequence[Measured]) -> tuple[Outcome, ...]:
    if any(objective.metric in _ON_ERRORS for objective in objectives):
        return ()
    outcome = _outcome(AS_EXPECTED, trials)
    return (replace(outcome, implicit=True),) if outcome.held is False else ()


def samples_needed(metric: str) -> int:
    """Return how many latencies a percentile needs: with fewer it is the largest of them, whatever its name.

    Of n samples the q quantile has one beyond it where n (1 - q) is 1 at least; other metrics need one.
    """
    return round(1 / (1 - QUANTILES[metric])) if metric in QUANTILES else 1


def _outcome(objective: RecordedObjective, trials: Sequence[Measured]) -> Outcome:
    if objective.metric.startswith(OBSERVED):
        return _observed_outcome(objective, trials)
    if not objective.metric.startswith(DURING):
        return _outcome_of(objective, trials)
    nothing = Outcome(objective, (None,) * len(trials), held=None)
    if not any(trial.windows for trial in trials):
        # Nothing is done to what has no proxy, nor to what the plan does not name.
        return replace(nothing, unknown=any(trial.disturbed for trial in trials))
    if any(load is None for trial in trials for load in trial.windows) or not all(
        trial.windows for trial in trials
    ):
        return replace(nothing, unknown=True)
    plain, windows = _on_windows(objective, trials)
    outcome = _outcome_of(plain, windows)
    values, lost = iter(outcome.values), iter(outcome.lost or (0,) * len(windows))
    worst, lost_each = [], []
    for trial in trials:
        worst.append(_worst(plain, [next(values) for _ in trial.windows]))
        lost_each.append(max(next(lost) for _ in trial.windows))
    return replace(
        outcome,
        objective=objective,
        values=tuple(worst),
        lost=tuple(lost_each) if any(lost_each) else (),
    )


def _observed_outcome(objective: RecordedObjective, trials: Sequence[Measured]) -> Outcome:
    """Judge what a Prometheus has seen: it has to hold of each series, and the worst of them is the value."""
    found = [observed_values(objective.metric, trial.observed) for trial in trials]
    values = tuple(None if one is None else _worst(objective, one) for one in found)
    if any(one is None for one in found):
        return Outcome(objective, values, held=None, unknown=True)
    compare = _COMPARISONS[objective.comparison]
    held = all(value is not None and compare(value, objective.threshold) for value in values)
    return Outcome(objective, values, held if values else None)


def _on_windows(
    objective: RecordedObjective, trials: Sequence[Measured]
) -> tuple[RecordedObjective, list[Measured]]:
    """Return an objective on windows as one on loads: those of every window of every trial, each as if it were one."""
    plain = replace(objective, metric=objective.metric.removeprefix(DURING))
    windows = [
        replace(trial, load=load, windows=())
        for trial in trials
        for load in trial.windows
        if load is not None
    ]
    return plain, windows


def _worst(objective: RecordedObjective, values: Sequence[float | None]) -> float | None:
    """Return the value that is farthest from what was asked."""
    compare = _COMPARISONS[objective.comparison]
    known = [value for value in values if value is not None]
    sign = 1 if _is_upper_bound(objective) else -1
    return max(
        known,
        key=lambda value: (not compare(value, objective.threshold), sign * value),
        default=None,
    )


def _outcome_of(objective: RecordedObjective, trials: Sequence[Measured]) -> Outcome:
    values = tuple(_value(objective, trial) for trial in trials)
    known = [value for value in values if value is not None]
    if any(
        value is None and _applies(objective.metric, trial)
        for value, trial in zip(values, trials, strict=True)
    ):
        return Outcome(objective, values, held=None, unknown=True)
    compare = _COMPARISONS[objective.comparison]
    lost = tuple(_lost(objective, trial) for trial in trials)
    held = all(compare(value, objective.threshold) for value in known) and not any(lost) if known else None
    needed = samples_needed(objective.metric)
    fewest = min((trial.load.latency_us.count for trial in trials), default=0)
    # That a sample exceeds an upper bound more often than the percentile allows is true of any number of them.
    is_exceeded = held is False and objective.comparison in _UPPER_BOUNDS
    if held is None or is_exceeded or needed == 1 or fewest >= needed:
        ours = (
            is_exceeded and not any(lost) and not _fails_even_so(objective, zip(trials, values, strict=True))
        )
        return Outcome(objective, values, held, ours=ours, lost=lost if any(lost) else ())
    return Outcome(objective, values, None, samples_needed=needed, samples_fewest=fewest)


def _value(objective: RecordedObjective, trial: Measured) -> float | None:
    """Return the value in a trial; None where it is the least that it can be, and within an upper bound for that."""
    value = metric_value(objective.metric, trial)
    if value is None or not _is_upper_bound(objective) or not is_least(objective.metric, trial.discovery):
        return value
    return None if _COMPARISONS[objective.comparison](value, objective.threshold) else value


def _lost(objective: RecordedObjective, trial: Measured) -> int:
    """Return how many requests had no answer, where a latency's upper bound cannot hold for that.

    They are in the histograms with the time that was waited for them: the least that an answer would have taken.
    """
    if objective.comparison not in _UPPER_BOUNDS:
        return 0
    if objective.metric not in LATENCY_METRICS:
        _, of_changes = changed_in(objective.metric, trial.changes)
        _, of_discovery = discovered_in(objective.metric, trial.discovery)
        return of_changes + of_discovery
    lost, left_out = unanswered(trial.load), 1 - QUANTILES.get(objective.metric, 1.0)
    # The product of a whole number and a fraction that has no exact form.
    return lost if lost > left_out * trial.load.requests.intended + 1e-6 else 0


def _fails_even_so(objective: RecordedObjective, repeats: Iterable[tuple[Measured, float | None]]) -> bool:
    """Return whether a repeat fails by more than what of it may be the generator's."""
    compare = _COMPARISONS[objective.comparison]
    return any(
        value is not None and not compare(value - _ours(objective.metric, trial), objective.threshold)
        for trial, value in repeats
    )


def _ours(metric: str, trial: Measured) -> float:
    known = trial.load.latency_ours_us
    return 0.0 if known is None else getattr(known, metric, 0.0)


def _holds_even_so(objective: RecordedObjective, trials: Sequence[Measured]) -> bool:
    """Return whether an objective that holds in inflated numbers holds in the true ones, too.

    Docs: ``docs/concepts/doubts.md``, with the counterexamples that each condition is there for.
    """
    if objective.metric.startswith(DURING):
        objective, trials = _on_windows(objective, trials)
    metric = METRICS.get(objective.metric)
    if metric is None or not metric.raised or not _is_upper_bound(objective):
        return False
    if not all(all_answered(trial.load) for trial in trials):
        return False
    if objective.metric in LATENCY_METRICS:
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
    if metric in OF_CONTROLLER:
        return trial.controlled
    if metric in OF_DISCOVERY:
        # Nobody knows what a program does not count; but what its queue had left is known of who says how much it has.
        return trial.discovers and (metric not in OF_OWN_COUNT or counts_itself(metric, trial.discovery))
    if metric in OF_CHANGES:
        # An Ingress has no status, and never says so.
        return trial.changed and metric not in GAP
    # Some systems count nothing of that: that is said, and no doubt.
    if metric in {UPSTREAM, AT_ORIGIN, REJECTED}:
        return False
    return metric != "achieved" or bool(trial.load.rate_per_s.requested)
