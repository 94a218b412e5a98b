"""A discoverer as it is now: the step that goes on, how many of its services are there, and its queue."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial.record import events

if TYPE_CHECKING:
    from seatrial.discovery.facts import QueueSample, StepFacts

LOOKS_KEPT = 2_400
"""Ten minutes at four looks a second, for who looks at now."""
OF_SERVICES = "replicated"

Change = tuple[str, int]
"""A service, and which of its generations."""


@dataclass(slots=True)
class LiveDiscovery:
    """What has become of a discoverer in the trial of now.

    ``asked`` services were changed at the source in the whole trial, and of ``there`` of them the destination has what
    was asked for; ``of_step`` and ``there_in_step`` are the same of the step that goes on. ``looks`` are the last ones
    at its queue, ``ended`` the steps that are over, and ``all_s`` how long it took until all that was there at first
    was replicated; None where it was not.
    """

    asked: int = 0
    there: int = 0
    step: events.StepStarted | None = None
    of_step: int = 0
    there_in_step: int = 0
    looks: deque[QueueSample] = field(default_factory=lambda: deque(maxlen=LOOKS_KEPT))
    ended: list[StepFacts] = field(default_factory=list)
    all_s: float | None = None
    _waiting: dict[Change, bool] = field(default_factory=dict)

    def take(self, event: events.Event) -> None:
        """Take one event of its trial."""
        match event:
            case events.MilestoneReached():
                self._take_milestone(event)
            case events.QueueSampled():
                self.looks.append(event.sample)
            case events.StepStarted():
                self.step, self.of_step, self.there_in_step = event, 0, 0
                # What is still missing of an earlier step may come, and is not of this one.
                self._waiting = dict.fromkeys(self._waiting, False)
            case events.StepEnded():
                self.ended.append(event.facts)
            case _:
                pass

    def _take_milestone(self, event: events.MilestoneReached) -> None:
        change = event.subject, event.generation
        if event.milestone == "asked":
            self._waiting[change] = True
            self.asked, self.of_step = self.asked + 1, self.of_step + 1
        elif event.milestone == OF_SERVICES and (of_step := self._waiting.pop(change, None)) is not None:
            self.there += 1
            self.there_in_step += of_step
            if self.step is not None and self.step.step == "all" and self.there_in_step == self.of_step:
                self.all_s = max(0.0, event.at_s - self.step.at_s)

    @property
    def goes_on(self) -> events.StepStarted | None:
        """The step that goes on; None between two of them and once all are over."""
        step = self.step
        is_over = step is not None and bool(self.ended) and self.ended[-1].began_s >= step.at_s
        return None if is_over else step

    def depths_by_second(self, seconds: int) -> list[float | None]:
        """Return the greatest depth in each of the last seconds that were looked at; None where none is known."""
        found: dict[int, float | None] = {}
        for look in self.looks:
            known = found.get(int(look.at_s))
            found[int(look.at_s)] = known if look.depth is None else max(look.depth, known or 0.0)
        return list(found.values())[-seconds:]

    @property
    def missing(self) -> int:
        """How many services were missing at the end of any step that is over; as the analysis counts them."""
        at_end = max((facts.missing for facts in self.ended if facts.step == "end"), default=0)
        return max(at_end, sum(facts.missing for facts in self.ended if facts.step != "end"))


def step_text(step: str, words: str) -> str:
    """Return what a step is called where there is little room: a fault by its words."""
    return f"{step}: {words}" if words else step
