"""Numbered pieces of news, the last of them kept: who lost the connection goes on where it was.

No page has a queue of its own. Each has a place among the pieces, so what a page that stopped reading costs is the
piece that is on its way to it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from dataclasses import dataclass, field

KEPT = 600
"""Pieces: at two a second, five minutes. Who was away for longer gets all of it anew."""
KEPT_BYTES = 16_000_000


@dataclass(slots=True)
class Pieces:
    """``last`` is the number of the last piece, 0 before the first; ``nonce`` is of this process's pieces."""

    nonce: str = field(default_factory=lambda: secrets.token_hex(8))
    last: int = 0
    _kept: deque[bytes] = field(default_factory=deque)
    _bytes: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, data: bytes) -> None:
        """Add a piece, and wake who waits for it."""
        self.last += 1
        self._kept.append(data)
        self._bytes += len(data)
        while len(self._kept) > KEPT or self._bytes > KEPT_BYTES:
            self._bytes -= len(self._kept.popleft())
        self.wake()

    def wake(self) -> None:
        """Have everyone look who waits."""
        self._news.set()
        self._news = asyncio.Event()

    def after(self, number: int) -> list[tuple[int, bytes]] | None:
        """Return the pieces after one, each with its number; None where they are not kept any more."""
        first = self.last - len(self._kept) + 1
        if not first - 1 <= number <= self.last:
            return None
        skipped = number - first + 1
        return [(first + at, self._kept[at]) for at in range(skipped, len(self._kept))]

    async def wait_after(self, number: int, limit_s: float) -> None:
        """Return when there is a piece after ``number``, or the time is over, or everyone was woken."""
        news = self._news
        if self.last > number:
            return
        try:
            async with asyncio.timeout(limit_s):
                await news.wait()
        except TimeoutError:
            pass

    def id_of(self, number: int) -> str:
        """Return what a page sends back to go on after a piece."""
        return f"{self.nonce}:{number}"

    def number_of(self, given: str) -> int | None:
        """Return the number that a page sent back; None where it is of another process, or none at all."""
        nonce, _, number = given.partition(":")
        known = nonce == self.nonce and number.isascii() and number.isdecimal() and len(number) < 12
        return int(number) if known else None
