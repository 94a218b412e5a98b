"""A run as it is now: where it is, what its load and its members do, and what gives reason to doubt it."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial.analysis.validity.shares import times_of
from seatrial.live.model.discovery import LiveDiscovery
from seatrial.live.model.doubts import Doubt, Sign, sign_of_machine, signs_of
from seatrial.live.model.points import LoadPoint, LoadPoints
from seatrial.live.model.roles import MembersUse, MemberUse
from seatrial.machine.cpus.shares import CpuTimes, shares_between
from seatrial.record import events

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seatrial.observe.samples import HostSample, ProcessSample

POINTS_KEPT = 600
"""Ten minutes of one trial, for who looks at now; who wants all of it keeps what ``take`` yields."""
JOURNAL_KEPT = 200
LOOK_S = 0.5
"""Looks at processes that are nearer than this to each other are of one round."""


@dataclass(frozen=True, slots=True)
class MembersSeen:
    """One round of looks at every member of a trial; ``at_s`` is CLOCK_MONOTONIC."""

    trial: int
    at_s: float
    members: tuple[MemberUse, ...]


@dataclass(frozen=True, slots=True)
class Doubted:
    """A sign of doubt came, or came again."""

    trial: int
    doubt: Doubt


Happening = LoadPoint | MembersSeen | Doubted
"""What events add up to, as it becomes known; their own course is in the events themselves."""


@dataclass(slots=True)
class LiveRun:
    """Takes events, in order, and keeps what a person who watches wants to see of now.

    ``first`` is the first trial that was seen to begin: of a run that was resumed it is not number 1. ``ended`` are the
    trials that are over. ``discovery`` is of the trial of now, where its system is a discoverer. A single load
    (``seatrial load``) is no trial, and has phases and frames all the same.
    """

    run_id: str = ""
    plan_name: str = ""
    planned: int = 0
    state: str = "running"
    first: events.TrialStarted | None = None
    trial: events.TrialStarted | None = None
    phase: events.PhaseStarted | None = None
    load: events.LoadStarted | None = None
    discovery: LiveDiscovery | None = None
    points: deque[LoadPoint] = field(default_factory=lambda: deque(maxlen=POINTS_KEPT))
    members: tuple[MemberUse, ...] = ()
    errors: Counter[str] = field(default_factory=Counter)
    doubts: dict[str, Doubt] = field(default_factory=dict)
    journal: deque[events.Noted] = field(default_factory=lambda: deque(maxlen=JOURNAL_KEPT))
    ended: list[tuple[events.TrialStarted, events.TrialEnded]] = field(default_factory=list)
    _making: LoadPoints = field(default_factory=lambda: LoadPoints(0))
    _uses: MembersUse = field(default_factory=MembersUse)
    _looked_s: float | None = None
    _machine: CpuTimes | None = None

    def take(self, event: events.Event) -> Iterator[Happening]:
        """Take one event; yield what has become known by it. Go through all of it before the next event."""
        match event:
            case events.FrameRecorded():
                self.errors.update(event.frame.errors)
                yield from self._points(self._making.take(event.frame))
            case events.ProcessSampled():
                yield from self._look(event.trial, event.sample)
            case events.HostSampled():
                # The machine is looked at after its processes.
                yield from self._seen(event.trial)
                yield from self._doubt(self._sign_of_machine(event.sample))
            case events.LoadStarted():
                self.load, self._making.asked = event, event.asked
                self._making.workers = len(event.hellos)
            case events.LoadEnded():
                yield from self._points(self._making.finish())
            case (
                events.StepStarted() | events.StepEnded() | events.QueueSampled() | events.MilestoneReached()
            ):
                self._discover(event)
            case _:
                self._course(event)

    def _course(self, event: events.Event) -> None:
        match event:
            case events.RunStarted():
                self.run_id, self.plan_name = event.run_id, event.plan_name
                self.planned, self.state = event.trials, "running"
            case events.TrialStarted():
                self._begin(event)
            case events.PhaseStarted():
                self.phase = event
                self._making.phases.append(event)
            case events.TrialEnded():
                if self.trial is not None:
                    self.ended.append((self.trial, event))
            case events.Noted():
                self.journal.append(event)
            case events.RunEnded():
                self.state = event.state
            case _:
                pass

    def _begin(self, trial: events.TrialStarted) -> None:
        self.trial, self.phase, self.load = trial, None, None
        self.first = self.first or trial
        for kept in (self.points, self.errors, self.doubts):
            kept.clear()
        self.members, self.discovery = (), None
        self._making, self._uses = LoadPoints(trial.trial), MembersUse()
        self._looked_s = self._machine = None

    def _discover(self, event: events.Event) -> None:
        # Routes that change have milestones, too; a discoverer begins with a step.
        if self.discovery is None and isinstance(event, events.StepStarted | events.QueueSampled):
            self.discovery = LiveDiscovery()
        if self.discovery is not None:
            self.discovery.take(event)

    def _points(self, points: Iterable[LoadPoint]) -> Iterator[Happening]:
        for point in points:
            self.points.append(point)
            yield point
            for sign in signs_of(point, self.load):
                yield from self._doubt(sign)

    def _look(self, trial: int, sample: ProcessSample) -> Iterator[Happening]:
        """Take a look at a process; one that begins a new round closes the one before."""
        if self._looked_s is not None and sample.at_s - self._looked_s >= LOOK_S:
            yield from self._seen(trial)
        if self._looked_s is None:
            self._looked_s = sample.at_s
        self._uses.take(sample)

    def _seen(self, trial: int) -> Iterator[Happening]:
        if self._looked_s is not None:
            self.members = self._uses.now(self._looked_s)
            yield MembersSeen(trial, self._looked_s, self.members)
            self._looked_s = None

    def _sign_of_machine(self, sample: HostSample) -> Sign | None:
        if "cpu_user_s" not in sample.values:
            return None
        before, self._machine = self._machine, times_of(sample.values, self._uses.cpu_s)
        shares = shares_between(before, self._machine)
        if shares is None or self.phase is None or self.phase.phase != "measure":
            return None
        return sign_of_machine(shares.others, shares.idle, sample.at_s)

    def _doubt(self, sign: Sign | None) -> Iterator[Happening]:
        if sign is None:
            return
        known = self.doubts.get(sign.code)
        if known is None:
            known = self.doubts[sign.code] = Doubt(sign.code, sign.text, sign.at_s, sign.at_s)
        else:
            known.again(sign)
        yield Doubted(0 if self.trial is None else self.trial.trial, known)
