"""A run's metrics for as long as it goes on, and until they have been taken a last time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from seatrial.errors import SeatrialError
from seatrial.live.exposition.board import Board
from seatrial.live.exposition.clock import offset_s
from seatrial.live.exposition.endpoint import Endpoint
from seatrial.live.exposition.remote_write import RemoteWriter
from seatrial.live.judging import CaseJudge
from seatrial.live.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

LAST_SCRAPE_S = 20.0
"""A Prometheus scrapes every 15 s unless it is told otherwise (by default every minute: too long to wait for)."""
LAST_WRITE_S = 5.0
LAST_JUDGEMENT_S = 5.0


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where remote-write goes; ``native`` histograms have to be taken there."""

    url: str
    native: bool = False


class Exposition:
    """Follows one run for its metrics. Use as an async context manager; ``note`` takes lines for the journal."""

    def __init__(self, run: Path, note: Callable[[str], None], receiver: Receiver | None = None) -> None:
        self._watcher = Watcher(run)
        self._note = note
        self._board = Board()
        self._judge = CaseJudge(run, self._board.take_judged)
        self._board.on_ended = self._judge.judge
        self._board.offset_of = lambda begun: offset_s(self._watcher.reader, begun)
        self._watcher.subscribe(self._board.take)
        self.endpoint = Endpoint(self._board, note)
        self._writer = (
            None
            if receiver is None
            else RemoteWriter(receiver.url, self._board, note, native=receiver.native)
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Begin; what can be read at once has been when this returns."""
        await self._watcher.catch_up()
        judging = self._judge.work(lambda: self._watcher.state == "running")
        works = [self._follow(), judging, self.endpoint.mind()]
        if self._writer is not None:
            works.append(self._writer.run())
        self._tasks = [asyncio.create_task(self._guarded(work)) for work in works]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of the record."""
        await self._end_tasks()
        self._watcher.__exit__()

    async def finish(self) -> None:
        """Show the end: all that was recorded and judged, written and, where it was scraped before, scraped again."""
        with suppress(SeatrialError, TimeoutError):
            if not self.endpoint.has_failed:
                await self._watcher.catch_up()
            async with asyncio.timeout(LAST_JUDGEMENT_S):
                await self._judge.at_rest()
        self.endpoint.expect_last()
        await asyncio.gather(self._last_scrape(), self._last_write())

    async def _follow(self) -> None:
        try:
            await self._watcher.follow()
        except Exception:
            # What was known last would look like what is there now.
            self.endpoint.has_failed = True
            self._board.forget()
            raise

    async def _last_scrape(self) -> None:
        if self.endpoint.scraped and not self.endpoint.is_missed:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_SCRAPE_S):
                    await self.endpoint.scraped_again.wait()

    async def _last_write(self) -> None:
        if self._writer is not None:
            await self._end_tasks()
            await self._writer.finish(LAST_WRITE_S)

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _guarded(self, work: Coroutine[object, object, None]) -> None:
        """Have whatever goes wrong with the metrics, a bug too, be a line in the journal, and nothing else."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - it would be gone without a word
            cause = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
            text = cause.line if isinstance(cause, SeatrialError) else f"{type(cause).__name__}: {cause}"
            self._note(f"the metrics of this run end here: {text}")
