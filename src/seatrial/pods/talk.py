"""The conversation with one pod: lines to it through attach, lines from it through its log.

A stream may break at any time, and that ends nothing. A conversation is over when its pod is.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from seatrial.errors import SeatrialError
from seatrial.pods.lines import Hole, Lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from seatrial.pods.standing import Standing
    from seatrial.pods.streams import Streams

LAST_READ_S = 10.0
"""How long the rest of an ended pod's log is waited for, and how long word of how one has ended whose log is over: of a
deleted pod there is no log, and a node that is gone sends nothing."""


class Talk:
    """Begun at once; ``messages`` is to be read, to its end, by one reader.

    What is missing of its log is among the messages, as ``{"type": "missing", "what": ...}``.
    """

    def __init__(self, pod: str, streams: Streams) -> None:
        self.pod = pod
        self._log, self._way = streams.log(pod), streams.way(pod)
        self._lines = Lines()
        self._heard_s = time.monotonic()
        self._standing: Standing | None = None
        self._over = asyncio.Event()
        self._is_deaf = False
        self._trouble = ""
        self._messages: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._outbox: asyncio.Queue[tuple[Callable[[], Mapping[str, Any]], bool]] = asyncio.Queue()
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._speak())]

    @property
    def standing(self) -> Standing | None:
        """How the pod has ended; None while it has not."""
        return self._standing

    @property
    def words(self) -> str:
        """What the pod wrote beside messages."""
        return self._lines.words

    @property
    def state(self) -> str:
        """When its last line came, and what stands in the way of the next, in words."""
        said = [f"last heard of {time.monotonic() - self._heard_s:.0f} s ago"]
        if self._standing is not None:
            said.append(f"it {self._standing.why}")
        elif self._trouble:
            said.append(self._trouble)
        return "; ".join(said)

    def send(self, message: Mapping[str, Any], *, anew: bool = False) -> None:
        """Give it a line, over a new stream where ``anew``; nothing is done where it has ended."""
        self.send_made(lambda: message, anew=anew)

    def send_made(self, make: Callable[[], Mapping[str, Any]], *, anew: bool = False) -> None:
        """Give it a line that is made when its turn has come: just before it leaves."""
        if not self._over.is_set():
            self._outbox.put_nowait((make, anew))

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what it says, each once, until it has ended or this is closed."""
        while (message := await self._messages.get()) is not None:
            yield message

    def over(self, standing: Standing) -> None:
        """Hear that the pod has ended: what its log still holds is read, and then there are no more messages."""
        if self._standing is None:
            self._standing = standing
            self._over.set()

    def leave(self) -> None:
        """End ``messages`` for who reads them; the conversation goes on, and another may read then."""
        self._messages.put_nowait(None)

    async def close(self) -> None:
        """End the conversation; the pod is left alone."""
        self._over.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self) -> None:
        reading = asyncio.ensure_future(self._read())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((reading, over), return_when=asyncio.FIRST_COMPLETED)
            # Whichever came first, the other follows.
            await asyncio.wait((reading, over), timeout=LAST_READ_S)
            if not self._is_deaf:
                return
            # It goes on without being heard, until its end or its load's.
            await over
        finally:
            for task in (reading, over):
                task.cancel()
            await asyncio.gather(reading, over, return_exceptions=True)
            self._messages.put_nowait(None)

    async def _read(self) -> None:
        try:
            async with aclosing(self._log) as log:
                async for line in log:
                    for found in self._lines.take(line):
                        self._hear(found)
        except SeatrialError as error:
            self._is_deaf, self._trouble = True, error.what

    def _hear(self, found: dict[str, Any] | Hole) -> None:
        self._heard_s = time.monotonic()
        if isinstance(found, Hole):
            found = {"type": "missing", "what": str(found)}
        self._messages.put_nowait(found)

    async def _speak(self) -> None:
        try:
            while True:
                make, anew = await self._outbox.get()
                if anew:
                    await self._way.close()
                try:
                    await self._way.send(json.dumps(make(), separators=(",", ":")))
                    self._trouble = self._trouble if self._is_deaf else ""
                except SeatrialError as error:
                    # Whoever waits for an answer will say that there was none.
                    self._trouble = error.what
        finally:
            with suppress(SeatrialError):
                await self._way.close()
