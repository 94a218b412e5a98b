"""What came of the cases, as the reports have it: judged in a thread, from the record, once their trials are over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from seatrial.analysis.run.summary import summarise_case
from seatrial.errors import SeatrialError
from seatrial.record.reader import RunReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from seatrial.analysis.run.model import CaseSummary

KEPT_WITHIN_S = 10.0
"""The run judges a trial itself, in less than this as a rule, and keeps what it found: it is waited for."""
LOOK_S = 0.5


class CaseJudge:
    """Judges cases one after another. ``take`` is called with what came of one so far."""

    def __init__(self, path: Path, take: Callable[[CaseSummary], None]) -> None:
        self._path = path
        self._take = take
        self._waiting: dict[str, int] = {}
        self._are_some = asyncio.Event()
        self._is_at_rest = asyncio.Event()
        self._is_at_rest.set()

    def judge(self, case_id: str, last_trial: int) -> None:
        """Have a case judged (again), a trial of which has ended."""
        self._waiting[case_id] = last_trial
        self._are_some.set()
        self._is_at_rest.clear()

    async def work(self, is_going_on: Callable[[], bool]) -> None:
        """Judge until cancelled. While the run goes on, each trial's own judgement is waited for."""
        while True:
            await self._are_some.wait()
            while self._waiting:
                case_id, trial = next(iter(self._waiting.items()))
                await self._kept(trial, is_going_on)
                # What ends meanwhile asks again.
                self._waiting.pop(case_id)
                found = await asyncio.to_thread(judged, self._path, case_id)
                if found is not None:
                    self._take(found)
            self._are_some.clear()
            self._is_at_rest.set()

    async def at_rest(self) -> None:
        """Wait until every case that was to be judged has been."""
        await self._is_at_rest.wait()

    async def _kept(self, trial: int, is_going_on: Callable[[], bool]) -> None:
        for _ in range(round(KEPT_WITHIN_S / LOOK_S)):
            if not is_going_on() or await asyncio.to_thread(_is_kept, self._path, trial):
                return
            await asyncio.sleep(LOOK_S)


def judged(path: Path, case_id: str) -> CaseSummary | None:
    """Return what came of a case so far; None where there is no such case, or its record cannot be read."""
    try:
        with RunReader.open(path) as reader:
            return summarise_case(reader, case_id)
    except SeatrialError:
        return None


def _is_kept(path: Path, trial: int) -> bool:
    try:
        with RunReader.open(path) as reader:
            return reader.kept_summary(trial) is not None
    except SeatrialError:
        return True
