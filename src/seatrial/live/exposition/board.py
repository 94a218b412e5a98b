"""Takes a run's events and keeps what is exposed of it: the trial of now and the one before it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial.live.exposition.totals import TrialTotals
from seatrial.live.model.points import LoadPoint
from seatrial.live.model.run import Doubted, MembersSeen
from seatrial.record import events

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from seatrial.analysis.run.model import CaseSummary
    from seatrial.live.model.run import Happening

TRIALS_KEPT = 2
"""A scrape comes every 15 s or so, and a trial may end between two: its last counts stay until the next trial ends."""


NOTES_KEPT = 8
"""Of the journal the last entries: each is a series, and how many there may be has a bound."""


def _unasked(_case_id: str, _trial: int) -> None:
    return None


def _unknown(_begun: events.TrialStarted) -> float | None:
    return None


@dataclass(slots=True)
class Board:
    """What is known of a run for its exposition. Use ``take`` as a taker of ``Watcher``.

    ``on_ended`` is called with the case and the number of each trial that has ended: what came of the case goes to
    ``take_judged``. ``offset_of`` says what makes Unix times of those of a trial; where it does not know, no times are
    exposed.
    """

    on_ended: Callable[[str, int], None] = _unasked
    offset_of: Callable[[events.TrialStarted], float | None] = _unknown
    run_id: str = ""
    plan_name: str = ""
    planned: int = 0
    state: str = "running"
    ended: dict[str, int] = field(default_factory=dict)
    trials: deque[TrialTotals] = field(default_factory=lambda: deque(maxlen=TRIALS_KEPT))
    doubts: dict[tuple[int, str], int] = field(default_factory=dict)
    cases: dict[str, CaseSummary] = field(default_factory=dict)
    notes: deque[events.Noted] = field(default_factory=lambda: deque(maxlen=NOTES_KEPT))

    def take(self, event: events.Event, happenings: Sequence[Happening]) -> None:
        """Take one event, and what became known by it."""
        match event:
            case events.RunStarted():
                self.run_id, self.plan_name = event.run_id, event.plan_name
                self.planned, self.state = event.trials, "running"
            case events.RunEnded():
                self.state = event.state
            case events.TrialStarted():
                self._begin(event)
            case events.Noted():
                self.notes.append(event)
            case _ if self.trials:
                self._of_trial(self.trials[-1], event)
            case _:
                pass
        for happening in happenings:
            self._happened(happening)

    def _begin(self, event: events.TrialStarted) -> None:
        self.trials.append(TrialTotals(event, self.offset_of(event)))
        kept = {trial.trial.trial for trial in self.trials}
        self.doubts = {key: times for key, times in self.doubts.items() if key[0] in kept}

    def _of_trial(self, trial: TrialTotals, event: events.Event) -> None:
        match event:
            case events.PhaseStarted():
                trial.phase = event.phase
                trial.of(event.phase)
                trial.begun_s[event.phase] = event.at_s
            case events.FrameRecorded():
                trial.take_frame(event.frame)
            case events.ProcessSampled():
                trial.take_look(event.sample)
            case events.LoadEnded():
                # Its workers have gone, and with them what they held; the trial may wait for much else.
                trial.frames.clear()
                trial.asked_per_s = None
            case events.MilestoneReached():
                trial.take_milestone(event)
            case events.QueueSampled():
                trial.queue = event.sample
            case events.StepStarted():
                trial.steps_begun.append(event)
            case events.StepEnded():
                trial.steps_ended.append(event.facts)
            case events.TrialEnded():
                trial.ended = event
                self.ended[event.state] = self.ended.get(event.state, 0) + 1
                self.on_ended(trial.trial.case_id, event.trial)
            case _:
                pass

    def _happened(self, happening: Happening) -> None:
        trial = self.trials[-1] if self.trials else None
        match happening:
            case LoadPoint() if trial is not None and trial.frames:
                trial.asked_per_s = happening.asked_per_s
            case MembersSeen() if trial is not None:
                trial.members = happening.members
            case Doubted():
                self.doubts[happening.trial, happening.doubt.code] = happening.doubt.times
            case _:
                pass

    def forget(self) -> None:
        """Let go of every trial: nobody knows any more how they are."""
        self.trials.clear()
        self.doubts.clear()

    def take_judged(self, case: CaseSummary) -> None:
        """Take what came of a case so far."""
        self.cases[case.case.id] = case
