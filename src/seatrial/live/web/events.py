"""Server-sent events: a snapshot, then what is new. Source: WHATWG HTML, "Server-sent events" (``Last-Event-ID``).

A page that stops reading is cut off. Its browser comes back by itself, with the number of the last piece that it has.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from seatrial.errors import RecordError, SeatrialError
from seatrial.live.web.guard import with_headers
from seatrial.record.journal import add_remark

if TYPE_CHECKING:
    from seatrial.live.web.watch.watched import Watched

STREAMS_LIMIT = 40
HEARTBEAT_S = 10.0
RETRY_MS = 1_000
SEND_LIMIT_S = 20.0
"""In which a page has to take a piece of :data:`SEND_BYTES`; then it has stopped reading."""
SEND_BYTES = 65_536
SOCKET_BYTES = 131_072
"""What the kernel may keep for a page that does not read."""
GONE_S = 30.0
"""A page that is loaded again, or comes back from a break, is there within this."""
REMARK_EVERY_S = 600.0


@dataclass(slots=True)
class Streams:
    """Every page that watches now. ``stop`` ends all of them."""

    stopped: bool = False
    _count: int = 0
    _remarked_s: dict[str, float] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def send(self, request: web.Request, run: Watched) -> web.StreamResponse:
        """Answer a page for as long as it reads."""
        if self._count >= STREAMS_LIMIT:
            raise web.HTTPServiceUnavailable(text=f"{STREAMS_LIMIT} pages watch already: close some")
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        with_headers(answer)
        _keep_little(request)
        self._count += 1
        run.readers += 1
        try:
            await answer.prepare(request)
            await self._follow(answer, run, request.headers.get("Last-Event-ID", ""))
        except SeatrialError as error:
            with suppress(TimeoutError, ConnectionError):
                await _write(answer, _event("failed", json.dumps({"error": error.line}).encode()))
        except TimeoutError:
            _cut_off(request)
            await self._remark(run, "a page that watched stopped reading and was cut off")
        except ConnectionError:
            self._watch_for_return(run)
        finally:
            self._count -= 1
            run.readers -= 1
            run.used_s = time.monotonic()
        return answer

    async def _follow(self, answer: web.StreamResponse, run: Watched, last_id: str) -> None:
        await _write(answer, f"retry: {RETRY_MS}\n\n".encode())
        while not run.watcher.caught_up.is_set() and not self._is_over(run):
            await _write(answer, _event("reading", json.dumps(run.progress).encode()))
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await run.watcher.caught_up.wait()
        at = run.pieces.number_of(last_id)
        while not self._is_over(run):
            pieces = None if at is None else run.pieces.after(at)
            if pieces is None:
                # Too long ago, or of another process.
                at, snapshot = run.snapshot()
                await _write(answer, _event("snapshot", snapshot, run.pieces.id_of(at)))
                continue
            for number, piece in pieces:
                await _write(answer, _event("news", piece, run.pieces.id_of(number)))
                at = number
            if not pieces:
                await run.pieces.wait_after(at or 0, HEARTBEAT_S)
                if run.pieces.last == at:
                    await _write(answer, b": still here\n\n")

        if run.problem is not None:
            raise RecordError(run.problem)

    def _is_over(self, run: Watched) -> bool:
        return self.stopped or run.error is not None

    def _watch_for_return(self, run: Watched) -> None:
        """Note that nobody watches any more, if no page comes within a while and the run goes on."""
        if run.readers > 1 or self.stopped or not run.is_going_on():
            return

        async def look() -> None:
            await asyncio.sleep(GONE_S)
            if not run.readers and run.is_going_on():
                await self._remark(run, "a page that watched has gone")

        task = asyncio.create_task(look())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _remark(self, run: Watched, text: str) -> None:
        """Write a line into the journal of a run that goes on, not one for each of a flood."""
        now_s = time.monotonic()
        last_s = self._remarked_s.get(run.path.name)
        if not run.is_going_on() or (last_s is not None and now_s - last_s < REMARK_EVERY_S):
            return
        self._remarked_s[run.path.name] = now_s
        # A disk that takes nothing ends the run in words of its own.
        with suppress(SeatrialError):
            await asyncio.to_thread(add_remark, run.path, text)

    def stop(self) -> None:
        """End every stream, and what waits for pages to come back."""
        self.stopped = True
        for task in self._tasks:
            task.cancel()


def _event(name: str, data: bytes, identity: str = "") -> bytes:
    head = f"event: {name}\n" + (f"id: {identity}\n" if identity else "")
    # JSON in one line: none of its bytes ends a line.
    return b"%sdata: %s\n\n" % (head.encode(), data)


async def _write(answer: web.StreamResponse, data: bytes) -> None:
    """Send in pieces; raises ``TimeoutError`` where the page does not take one of them in time."""
    for start in range(0, len(data), SEND_BYTES):
        async with asyncio.timeout(SEND_LIMIT_S):
            await answer.write(data[start : start + SEND_BYTES])


def _keep_little(request: web.Request) -> None:
    _set_option(request, socket.SO_SNDBUF, SOCKET_BYTES)


def _cut_off(request: web.Request) -> None:
    """End a connection with a reset: else the kernel would go on trying to send what is left."""
    _set_option(request, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if request.transport is not None:
        request.transport.abort()


def _set_option(request: web.Request, option: int, value: int | bytes) -> None:
    connection = None if request.transport is None else request.transport.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, option, value)
