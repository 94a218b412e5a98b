"""What has been counted of a trial since it began, phase by phase: counters never go down within one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial._engine import Histogram
from seatrial.analysis.looks import cpu_s_of
from seatrial.record import events

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seatrial.discovery.facts import QueueSample, StepFacts
    from seatrial.generator.frames import Frame, PhasePart
    from seatrial.live.model.roles import MemberUse
    from seatrial.observe.samples import ProcessSample

PHASES: Mapping[str, str] = {"warmup": "warm up", "measure": "measure"}
"""What the phases of requests are called in frames, and everywhere else."""
SAMPLES = ("latency", "service_time", "lateness")
OUTCOMES = ("completed", "failed", "timed_out", "unsent", "in_flight")


@dataclass(slots=True)
class PhaseTotals:
    """Counts of one phase."""

    outcomes: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    responses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    opened: int = 0
    reconnected: int = 0
    held_requests: int = 0
    cpu_s: dict[tuple[str, str], float] = field(default_factory=dict)
    samples: dict[str, Histogram] = field(default_factory=dict)

    @property
    def intended(self) -> int:
        """Requests whose time came."""
        return self.sent + self.outcomes["unsent"]


@dataclass(slots=True)
class TrialTotals:
    """Counts of one trial, and what its gauges are now.

    ``begun_s`` is when each phase began, by the trial's clock; ``offset_s`` makes Unix times of that, None where it is
    not known. ``queue`` is the last look at that of a discoverer.
    """

    trial: events.TrialStarted
    offset_s: float | None = None
    phase: str = "set up"
    phases: dict[str, PhaseTotals] = field(default_factory=dict)
    begun_s: dict[str, float] = field(default_factory=dict)
    milestones: dict[tuple[str, str], Histogram] = field(default_factory=dict)
    frames: dict[int, Frame] = field(default_factory=dict)
    asked_per_s: float | None = None
    members: tuple[MemberUse, ...] = ()
    queue: QueueSample | None = None
    steps_begun: list[events.StepStarted] = field(default_factory=list)
    steps_ended: list[StepFacts] = field(default_factory=list)
    ended: events.TrialEnded | None = None
    _looks: dict[object, ProcessSample] = field(default_factory=dict)
    _asked_s: dict[tuple[str, str, int], float] = field(default_factory=dict)

    def of(self, phase: str) -> PhaseTotals:
        """Return the counts of a phase."""
        return self.phases.setdefault(phase, PhaseTotals())

    def take_frame(self, frame: Frame) -> None:
        """Add one interval of one worker: requests to their own phase, what befell connections to that of now."""
        self.frames[frame.worker] = frame
        now = self.of(self.phase)
        now.opened += frame.opened
        now.reconnected += frame.reconnected
        now.held_requests += frame.held_requests
        now.errors.update(frame.errors)
        if frame.connect:
            _samples(now, "connect").add_encoded(frame.connect)
        for part in frame.parts:
            self._take_part(self.of(PHASES[part.phase]), part)

    @staticmethod
    def _take_part(totals: PhaseTotals, part: PhasePart) -> None:
        totals.sent += part.sent
        totals.outcomes.update({name: count for name in OUTCOMES if (count := getattr(part, name))})
        totals.responses.update(part.status)
        totals.bytes.update({"sent": part.bytes_sent, "received": part.bytes_received})
        for kind in SAMPLES:
            if encoded := getattr(part, kind):
                _samples(totals, kind).add_encoded(encoded)

    def take_look(self, sample: ProcessSample) -> None:
        """Add what a process has used since the last look at it to the phase of now."""
        before = self._looks.get(sample.key)
        self._looks[sample.key] = sample
        used_s = 0.0 if before is None else max(0.0, cpu_s_of(sample) - cpu_s_of(before))
        own = self.of(self.phase).cpu_s
        key = sample.role, sample.member
        own[key] = own.get(key, 0.0) + used_s

    def take_milestone(self, event: events.MilestoneReached) -> None:
        """Add how long after its change was asked for a milestone was reached; not of one that nobody saw begin."""
        change = event.subject, event.change, event.generation
        if event.milestone == "asked":
            self._asked_s[change] = event.at_s
        if (asked_s := self._asked_s.get(change)) is not None:
            key = event.change, event.milestone
            self.milestones.setdefault(key, Histogram()).record(max(0, round((event.at_s - asked_s) * 1e6)))

    def gauge(self, name: str) -> int:
        """Return a gauge of all workers as of the last frame of each."""
        return sum(getattr(frame, name) for frame in self.frames.values())


def _samples(totals: PhaseTotals, kind: str) -> Histogram:
    return totals.samples.setdefault(kind, Histogram())


def phases_in_order(totals: TrialTotals) -> Iterator[tuple[str, PhaseTotals]]:
    """Yield the phases that have begun, in the order in which they are gone through."""
    for name in ("set up", "ramp", "warm up", "measure", "cool down"):
        if name in totals.phases:
            yield name, totals.phases[name]
