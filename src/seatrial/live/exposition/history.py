"""A whole run as OpenMetrics with times: what a Prometheus that had scraped it all along would have.

Only objectives are as they were in the end: each trial has what holds of its case by all of its trials.
``promtool tsdb create-blocks-from openmetrics`` puts it into one after the fact.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from seatrial.live.exposition.board import Board
from seatrial.live.exposition.catalogue import end_of, families_of
from seatrial.live.exposition.clock import offset_s
from seatrial.live.exposition.text import Page
from seatrial.live.judging import judged
from seatrial.live.model.run import LiveRun
from seatrial.live.tail import RunTail
from seatrial.record import events

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.record.reader import RunReader

STEP_S = 5.0


def openmetrics_of(run: Path, step_s: float = STEP_S) -> bytes:
    """Return the metrics of a run, every ``step_s`` of each trial and at its end; raises ``RecordError``."""
    page, board, live = Page(), Board(trials=deque(maxlen=1)), LiveRun()
    clock: _Clock | None = None
    with RunTail(run) as tail:
        board.offset_of = lambda begun: offset_s(tail.reader, begun)
        for event in tail.new():
            board.take(event, tuple(live.take(event)))
            if isinstance(event, events.TrialStarted):
                clock = _clock(tail.reader, event, step_s)
            if clock is None:
                continue
            if isinstance(event, events.TrialEnded):
                if (case := judged(run, board.trials[-1].trial.case_id)) is not None:
                    board.take_judged(case)
                page.add(families_of(board), clock.unix_s(event.at_s))
            elif (at_s := clock.due(event)) is not None:
                page.add(families_of(board), clock.unix_s(at_s))
    if clock is not None:
        page.add(end_of(board), clock.last_s)
    page.sort()
    return page.openmetrics()


def _clock(reader: RunReader, begun: events.TrialStarted, step_s: float) -> _Clock | None:
    """Return the clock of a trial; None where its row is damaged, so that nobody knows when it was."""
    found_s = offset_s(reader, begun)
    return None if found_s is None else _Clock(found_s, begun.at_s, step_s)


class _Clock:
    """When the next samples of a trial are due, by the times of what happens in it."""

    def __init__(self, apart_s: float, begun_s: float, step_s: float) -> None:
        self._apart_s = apart_s
        self._step_s = step_s
        self._due_s = begun_s + step_s
        self.last_s = self.unix_s(begun_s)

    def unix_s(self, at_s: float) -> float:
        """Return a moment of the monotonic clock as Unix time, to the millisecond."""
        self.last_s = round(at_s + self._apart_s, 3)
        return self.last_s

    def due(self, event: events.Event) -> float | None:
        """Return the moment for which samples are due once this event is taken; None where none are."""
        at_s = event.frame.end_ns / 1e9 if isinstance(event, events.FrameRecorded) else None
        if isinstance(event, events.ProcessSampled):
            at_s = event.sample.at_s
        if at_s is None or at_s < self._due_s:
            return None
        self._due_s = at_s + self._step_s
        return at_s
