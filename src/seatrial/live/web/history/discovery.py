"""A discoverer over a trial: its queue, and how many services were changed and there, a row each quarter second."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.live.model.discovery import LiveDiscovery
from seatrial.live.web.history.columns import END, START, Columns
from seatrial.record import events

if TYPE_CHECKING:
    from collections.abc import Callable

ROW_S = 0.25
"""Milestones come by the thousand, and a queue is looked at four times a second."""
LASTING = ("asked", "there", "of_step", "there_in_step", "enqueued", "done", "dropped", "retries")
"""Of these a row has what there is at its end; of ``depth`` the most at any look in it."""


@dataclass(slots=True)
class DiscoveryHistory:
    """One trial's discoverer; ``since`` makes seconds from the trial's start of a moment."""

    since: Callable[[float], float]
    columns: Columns
    steps: list[dict[str, Any]] = field(default_factory=list)
    _live: LiveDiscovery = field(default_factory=LiveDiscovery)
    _depth: float | None = None
    _known_s: float | None = None

    def take(self, event: events.Event) -> bool:
        """Take one event; return whether a step begins or ends with it."""
        self._stand_until(_moment(event))
        match event:
            case events.StepStarted():
                self._live.take(event)
                self.steps.append({"step": event.step, "words": event.words, "at_s": self._at_s(event.at_s)})
                self._row(event.at_s)
                return True
            case events.StepEnded() if self.steps:
                # What was there when it ended is of this step, and not of the next.
                self._row(event.facts.ended_s)
                self._live.take(event)
                self.steps[-1] |= {
                    "ended_s": self._at_s(event.facts.ended_s),
                    "asked": event.facts.asked,
                    "missing": event.facts.missing,
                }
                return True
            case events.QueueSampled():
                self._live.take(event)
                if event.sample.depth is not None:
                    self._depth = max(event.sample.depth, self._depth or 0.0)
                self._row_if_due(event.sample.at_s)
            case events.MilestoneReached() if self.steps:
                self._live.take(event)
                self._row_if_due(event.at_s)
            case _:
                pass
        return False

    def finish(self, at_s: float) -> None:
        """Add what has come since the last row: the trial is over."""
        if self.columns.rows:
            self._row(at_s)

    def _at_s(self, at_s: float) -> float:
        return round(self.since(at_s), 3)

    def _stand_until(self, at_s: float | None) -> None:
        """Have what is known stand from when it came about, where nothing has happened since: counts do not slope."""
        known_s, self._known_s = self._known_s, at_s if at_s is not None else self._known_s
        if at_s is not None and known_s is not None and self.columns.rows and at_s - known_s >= ROW_S:
            self._row(known_s)

    def _row_if_due(self, at_s: float) -> None:
        if not self.columns.rows or self.since(at_s) - self.columns.last(END) >= ROW_S:
            self._row(at_s)

    def _row(self, at_s: float) -> None:
        live = self._live
        last = live.looks[-1] if live.looks else None
        before_s = self.columns.last(END) if self.columns.rows else self.since(at_s)
        row: dict[str, float | None] = {START: before_s, END: max(before_s, self.since(at_s))}
        # Between two looks it is what it was at the last.
        row["depth"] = self._depth if self._depth is not None or last is None else last.depth
        for name in LASTING:
            row[name] = getattr(live, name) if hasattr(live, name) else getattr(last, name, None)
        self.columns.append(row)
        self._depth = None


def _moment(event: events.Event) -> float | None:
    match event:
        case events.StepStarted() | events.MilestoneReached():
            return event.at_s
        case events.StepEnded():
            return event.facts.ended_s
        case events.QueueSampled():
            return event.sample.at_s
        case _:
            return None
