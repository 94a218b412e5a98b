"""Follows a record for who shows it, in the event loop of its process, in small pieces."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Self

from seatrial.live.model.run import LiveRun
from seatrial.live.tail import RunTail

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from seatrial.live.model.run import Happening
    from seatrial.record.events import Event
    from seatrial.record.reader import RunReader
    from seatrial.record.tables.rows import RunState

    Taker = Callable[[Event, Sequence[Happening]], None]

LOOK_EVERY_S = 0.5
"""The record is written every half second."""
PIECE_S = 0.02
"""Of a long record so much is read at a time; then whoever asks is answered."""


class Watcher:
    """Reads a record to where it is, and on as it grows; hands each event to all that take it.

    Use as a context manager; raises ``RecordError`` where there is no record. ``caught_up`` is set once all that was
    there has been read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.live = LiveRun()
        self.caught_up = asyncio.Event()
        self._tail = RunTail(path)
        self._takers: list[Taker] = []
        self._reading = asyncio.Lock()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the record."""
        self._tail.__exit__()

    @property
    def reader(self) -> RunReader:
        """The record."""
        return self._tail.reader

    @property
    def state(self) -> RunState:
        """How the run stands by its record and its lock: also where nobody has written its end."""
        return self.reader.run().state

    def subscribe(self, take: Taker) -> None:
        """Have ``take`` called with each event that follows, and what has become known by it."""
        self._takers.append(take)

    async def follow(self) -> None:
        """Follow until cancelled: a run that is over may be gone on with, or noted in."""
        while True:
            await self.catch_up()
            await asyncio.sleep(LOOK_EVERY_S)

    async def catch_up(self) -> None:
        """Read all that there is now, once whoever reads already has done so: two at a time would count rows twice."""
        async with self._reading:
            began_s = time.monotonic()
            for event in self._tail.new():
                happenings = tuple(self.live.take(event))
                for take in self._takers:
                    take(event, happenings)
                if time.monotonic() - began_s > PIECE_S:
                    await asyncio.sleep(0)
                    began_s = time.monotonic()
        self.caught_up.set()
