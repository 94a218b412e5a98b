"""What a source is to the discoverer, and those that are polled."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seatrial.discoverer.services import Key, Upstream


class SourceFault(Exception):
    """A source that could not be read whole; ``errortype`` is a word to count by."""

    def __init__(self, errortype: str, text: str, retry_after_s: float = 0.0) -> None:
        super().__init__(text)
        self.errortype = errortype
        self.retry_after_s = retry_after_s


class Sink(Protocol):
    """Who takes what a source has."""

    def replace(self, found: Iterable[Upstream]) -> None:
        """Take everything that there is."""

    def apply(self, key: Key, service: Upstream | None) -> None:
        """Take one service, None where it is gone."""

    def look(self, key: Key) -> None:
        """Have one looked at."""

    def cycle(self, began_s: float, *, is_whole: bool) -> None:
        """Take that all was read, or that this has failed."""

    def failed(self, errortype: str, text: str) -> None:
        """Take that something went wrong."""


class Source(Protocol):
    """Where services are; ``follow`` gives them to a sink, for ever."""

    async def follow(self, sink: Sink) -> None:
        """Give everything, then what changes. Nothing that fails is ever given as "there is none"."""


class Readable(Protocol):
    """A source that is read as a whole."""

    async def read(self) -> Iterable[Upstream] | None:
        """Return all services, None where nothing has changed since the last time. Raises :class:`SourceFault`."""

    async def close(self) -> None:
        """Close its connections."""


class Polled:
    """Reads a source once a period, counted from when a reading begins."""

    def __init__(self, source: Readable, period_s: float) -> None:
        self._source = source
        self._period_s = period_s

    async def follow(self, sink: Sink) -> None:
        """Poll, for ever."""
        try:
            while True:
                began_s = monotonic()
                wait_s = await self._cycle(sink, began_s)
                await asyncio.sleep(max(began_s + wait_s - monotonic(), 0.0))
        finally:
            await self._source.close()

    async def _cycle(self, sink: Sink, began_s: float) -> float:
        """Read once; return how long after its begin the next may begin."""
        try:
            found = await self._source.read()
        except SourceFault as fault:
            sink.failed(fault.errortype, str(fault))
            sink.cycle(began_s, is_whole=False)
            return max(self._period_s, monotonic() - began_s + fault.retry_after_s)
        if found is not None:
            sink.replace(found)
        sink.cycle(began_s, is_whole=True)
        return self._period_s
