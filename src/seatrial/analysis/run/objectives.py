"""PASS or FAIL: what the plan asks of a case, held against each of its trials."""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from seatrial.analysis.load.answered import dropped, error_count, unanswered, unexpected_of_held
from seatrial.analysis.load.histograms import QUANTILES
from seatrial.analysis.validity.direction import all_answered
from seatrial.plan.metrics import DURING, METRICS
from seatrial.plan.sanity import AT_ORIGIN, COUNTED, UPSTREAM
from seatrial.record.tables.rows import RecordedObjective

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from seatrial.analysis.load.result import LoadResult
    from seatrial.analysis.reasons import Direction
    from seatrial.analysis.resources import RoleResources, TrialResources

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
_UPPER_BOUNDS = ("<", "<=")
LATENCY_METRICS = (*QUANTILES, "max", "mean")


@dataclass(frozen=True, slots=True)
class Measured:
    """The numbers of one trial that an objective may be about; ``proxied`` False is a load without a proxy.

    ``timeout_s`` None is unknown. ``windows`` are those of the disturbances that the system had. Connections are those
    that the system ``counted`` itself, those that it had ``upstream`` by its own count, and those that came in
    ``at_origin``; None is "it does not count them".
    """

    load: LoadResult
    resources: TrialResources
    proxied: bool = True
    timeout_s: float | None = None
    windows: tuple[LoadResult, ...] = ()
    counted: int | None = None
    upstream: int | None = None
    at_origin: int | None = None


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
    if doubt == "either" or not trials or any(outcome.unknown for outcome in outcomes):
        return Verdict(None, outcomes)
    failed = not all(outcome.held for outcome in judged)
    if failed:
        is_certain = doubt is None and any(outcome.held is False and not outcome.ours for outcome in outcomes)
        return Verdict("FAIL" if is_certain else None, outcomes)
    if not judged or len(trials) < repeats or any(outcome.samples_needed for outcome in outcomes):
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


def metric_value(metric: str, trial: Measured) -> float | None:
    """Return a metric of one trial: latencies in us, memory in bytes; None where it does not apply."""
    read = _READ.get(metric)
    return None if read is None else read(trial)


def samples_needed(metric: str) -> int:
    """Return how many latencies a percentile needs: with fewer it is the largest of them, whatever its name.

    Of n samples the q quantile has one beyond it where n (1 - q) is 1 at least; other metrics need one.
    """
    return round(1 / (1 - QUANTILES[metric])) if metric in QUANTILES else 1


def _latency(name: str) -> Callable[[Measured], float | None]:
    def read(trial: Measured) -> float | None:
        value: float = getattr(trial.load.latency_us, name)
        return value if trial.load.latency_us.count else None

    return read


def _achieved(trial: Measured) -> float | None:
    return trial.load.answers.of_intended if trial.load.rate_per_s.requested else None


def _of_proxy(
    read: Callable[[RoleResources], float | None],
) -> Callable[[Measured], float | None]:
    def of_trial(trial: Measured) -> float | None:
        system = trial.resources.role("system")
        return None if system is None else read(system)

    return of_trial


_READ: dict[str, Callable[[Measured], float | None]] = {
    **{name: _latency(name) for name in LATENCY_METRICS},
    "errors": lambda trial: error_count(trial.load),
    "dropped": lambda trial: dropped(trial.load),
    "unanswered": lambda trial: unanswered(trial.load) + trial.load.connections.held_unanswered,
    "unexpected": lambda trial: trial.load.answers.unexpected + unexpected_of_held(trial.load),
    "achieved": _achieved,
    COUNTED: lambda trial: trial.counted,
    UPSTREAM: lambda trial: trial.upstream,
    AT_ORIGIN: lambda trial: trial.at_origin,
    "proxy_cpu_cores": _of_proxy(lambda role: role.cpu_cores_mean),
    "proxy_memory": _of_proxy(lambda role: role.memory_bytes_max),
}


def unit_of(metric: str) -> str:
    """Return the unit of a metric's values and thresholds."""
    metric = metric.removeprefix(DURING)
    return "us" if metric in LATENCY_METRICS else _UNITS.get(metric, "count")


def _outcome(objective: RecordedObjective, trials: Sequence[Measured]) -> Outcome:
    if not objective.metric.startswith(DURING):
        return _outcome_of(objective, trials)
    if not any(trial.windows for trial in trials):
        # What has no proxy is not disturbed.
        is_unknown = any(trial.proxied for trial in trials)
        return Outcome(objective, (None,) * len(trials), held=None, unknown=is_unknown)
    return replace(_outcome_of(*_in_worst_window(objective, trials)), objective=objective)


def _in_worst_window(
    objective: RecordedObjective, trials: Sequence[Measured]
) -> tuple[RecordedObjective, list[Measured]]:
    """Return an objective on windows as one on loads, those of each trial's worst window."""
    plain = replace(objective, metric=objective.metric.removeprefix(DURING))
    sign = 1 if _is_upper_bound(plain) else -1

    def badness(trial: Measured) -> tuple[int, float]:
        value = metric_value(plain.metric, trial)
        return _lost(plain, trial), sign * (0.0 if value is None else value)

    worst = []
    for trial in trials:
        windows = [replace(trial, load=load, windows=()) for load in trial.windows]
        worst.append(max(windows, key=badness) if windows else trial)
    return plain, worst


def _outcome_of(objective: RecordedObjective, trials: Sequence[Measured]) -> Outcome:
    values = tuple(metric_value(objective.metric, trial) for trial in trials)
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


def _lost(objective: RecordedObjective, trial: Measured) -> int:
    """Return how many requests had no answer, where a latency's upper bound cannot hold for that.

    They are in the histograms with the time that was waited for them: the least that an answer would have taken.
    """
    if objective.metric not in LATENCY_METRICS or objective.comparison not in _UPPER_BOUNDS:
        return 0
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
        objective, trials = _in_worst_window(objective, trials)
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
    # Some systems count nothing of that: that is said, and no doubt.
    if metric in {UPSTREAM, AT_ORIGIN}:
        return False
    return metric != "achieved" or bool(trial.load.rate_per_s.requested)
