"""How soon a discoverer carried each change, from its milestones and steps: every value, and what did not come."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.analysis.discovery.limiter import Limiter, limiter_of
from seatrial.analysis.discovery.queue import QueueUse, queue_use

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seatrial.discovery.facts import QueueSample, StepFacts
    from seatrial.record.events import MilestoneReached

ASKED, REPLICATED = "asked", "replicated"
FILLED, STORM_NEW, STORM_DELETE = "filled", "storm new", "storm delete"
"""What a storm consists of: its namespace is filled, then emptied, and one service is added elsewhere."""


@dataclass(frozen=True, slots=True)
class StepUse:
    """One step: ``asked`` services were changed at the source, and the destination came to it after ``times_s``.

    Those are in seconds and sorted, from when the source had the change, or in the step ``all`` from the start of the
    discoverer; ``missing`` did not come in their time. ``added_s`` is of a storm: until the one that was added
    elsewhere was there. ``recovered_s`` is of a fault: from when it was lifted to the last. ``calls`` are those to
    the destination, by verb and resource, ``writes`` what of them may change something.
    ``relapses`` is how often a service was as the source has it, and then was not, though nothing had changed there.
    ``befallen`` is how many calls a fault has befallen: with none it shows nothing. One that was ``cut_off`` ended with
    the measure phase: ``missing`` had not had their time, and what was counted is the least it can be.
    """

    step: str
    words: str
    began_s: float
    ended_s: float
    asked: int
    missing: int
    times_s: tuple[float, ...]
    added_s: float | None
    recovered_s: float | None
    calls: Mapping[str, int]
    writes: int
    refused: Mapping[str, int]
    changed: int
    relapses: int
    source_calls: int | None
    periods: int
    befallen: int | None
    cut_off: bool

    @property
    def calls_per_change(self) -> float | None:
        """Calls to the destination for each service that was changed."""
        return sum(self.calls.values()) / self.asked if self.asked else None

    @property
    def source_calls_per_change(self) -> float | None:
        """Calls to the source for each."""
        return None if self.source_calls is None or not self.asked else self.source_calls / self.asked

    @property
    def per_s(self) -> float | None:
        """Services a second, from the first that was there to the last."""
        if len(self.times_s) < 2 or self.times_s[-1] <= self.times_s[0]:
            return None
        return (len(self.times_s) - 1) / (self.times_s[-1] - self.times_s[0])


@dataclass(frozen=True, slots=True)
class DiscoveryUse:
    """A discoverer in one trial. What was seen is known to within ``lag_s_p50``, at the worst look ``lag_s_max``.

    ``services`` were there when it began. ``limiter`` is what held it up in the first discovery, in which
    the gate used ``gate_cores`` of CPU. ``calls_lost`` are calls that the gate no longer knew when it was asked, and
    ``promised`` are the figures that its page should have, and
    ``lists_read_anew`` how often the watch missed what went on.
    """

    services: int
    steps: tuple[StepUse, ...]
    queue: QueueUse | None = None
    limiter: Limiter | None = None
    lag_s_p50: float | None = None
    lag_s_max: float | None = None
    lag_looks: int = 0
    calls_lost: int = 0
    gate_s_p50: float | None = None
    gate_cores: float | None = None
    lists_read_anew: int = 0
    promised: tuple[str, ...] = ()

    def of(self, step: str) -> tuple[StepUse, ...]:
        """Return the steps of a kind; a storm's without what only prepares it."""
        return tuple(use for use in self.steps if use.step == step and use.words != FILLED)

    @property
    def relapses(self) -> int:
        """How often a service was as the source has it, and then was not, though nothing had changed there."""
        return sum(use.relapses for use in self.steps)

    @property
    def missing(self) -> int:
        """How many did not come in their time, over all steps; those that were missing at the end are among them."""
        had_time = [use for use in self.steps if not use.cut_off]
        at_end = max((use.missing for use in had_time if use.step == "end"), default=0)
        return max(at_end, sum(use.missing for use in had_time if use.step != "end"))

    @property
    def is_whole(self) -> bool:
        """Whether it came to the end of all steps."""
        return any(not use.cut_off for use in self.of("end"))


@dataclass(frozen=True, slots=True)
class CurveStep:
    """When a step was, in seconds from the start of the trial."""

    step: str
    words: str
    began_s: float
    ended_s: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A discoverer over time, in seconds from the start of the trial.

    ``asked`` is how many changes there were at the source by when, ``there`` of how many the destination had what was
    asked for; ``depth`` is the queue at each look.
    """

    asked: tuple[tuple[float, int], ...]
    there: tuple[tuple[float, int], ...]
    depth: tuple[tuple[float, float], ...]
    steps: tuple[CurveStep, ...]


_Seen = tuple[float, float]
"""When a change was there (CLOCK_MONOTONIC), and how long after it was asked for."""


def discovery_use(
    steps: Sequence[StepFacts],
    milestones: Iterable[MilestoneReached],
    samples: Sequence[QueueSample],
    cpu_cores: float | None = None,
    gate_cores: float | None = None,
) -> DiscoveryUse | None:
    """Put a trial together; None where it has no step.

    ``cpu_cores`` is what the discoverer used in the first one, ``gate_cores`` what the gate did.
    """
    if not steps:
        return None
    seen = _seen(milestones)
    uses = tuple(_step_use(facts, seen) for facts in steps)
    lags = [lag_s for facts in steps for lag_s in facts.lag_s]
    first = steps[0]
    last_s = max((at_s for at_s, _ in seen.get(first.step, ())), default=first.ended_s)
    own = [facts.calls.own_s_p50 for facts in steps if facts.calls.own_s_p50 is not None]
    return DiscoveryUse(
        services=first.asked,
        steps=uses,
        queue=queue_use(samples, steps),
        limiter=limiter_of(first, last_s, cpu_cores),
        lag_s_p50=round(statistics.median(lags), 6) if lags else None,
        lag_s_max=round(max(lags), 6) if lags else None,
        lag_looks=len(lags),
        calls_lost=sum(facts.calls.lost for facts in steps),
        gate_s_p50=round(statistics.median(own), 6) if own else None,
        gate_cores=None if gate_cores is None else round(gate_cores, 3),
        promised=steps[0].promised,
        lists_read_anew=sum(facts.missed for facts in steps),
    )


def _seen(milestones: Iterable[MilestoneReached]) -> dict[str, list[_Seen]]:
    asked: dict[tuple[str, int], float] = {}
    found: dict[str, list[_Seen]] = {}
    for one in milestones:
        key = one.subject, one.generation
        if one.milestone == ASKED:
            asked[key] = one.at_s
        elif one.milestone == REPLICATED and (asked_s := asked.pop(key, None)) is not None:
            # What comes and goes was there at the first time.
            found.setdefault(one.change, []).append((one.at_s, round(max(0.0, one.at_s - asked_s), 6)))
    return found


def _step_use(facts: StepFacts, seen: Mapping[str, Sequence[_Seen]]) -> StepUse:
    is_storm = facts.step == "storm" and facts.words != FILLED
    own = [
        one
        for one in seen.get(STORM_DELETE if is_storm else facts.step, ())
        # Faults are several, and have one name.
        if facts.step != "fault" or facts.began_s <= one[0] <= facts.ended_s
    ]
    added = [took_s for _, took_s in seen.get(STORM_NEW, ())] if is_storm else []
    recovered = None
    if facts.lifted_s is not None and own and not facts.missing:
        recovered = round(max(0.0, max(at_s for at_s, _ in own) - facts.lifted_s), 6)
    return StepUse(
        step=facts.step,
        words=facts.words,
        began_s=facts.began_s,
        ended_s=facts.ended_s,
        asked=facts.asked,
        missing=facts.missing,
        times_s=tuple(sorted(took_s for _, took_s in own)),
        added_s=added[0] if added else None,
        recovered_s=recovered,
        calls=facts.calls.by_verb,
        writes=facts.calls.writes,
        refused=facts.calls.refused,
        changed=facts.changed,
        relapses=facts.relapses,
        source_calls=facts.source_calls,
        periods=facts.periods,
        befallen=facts.befallen,
        cut_off=facts.cut_off,
    )
