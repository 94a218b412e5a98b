"""A program of ours as a child process: it reads JSON lines, answers in JSON lines, and ends when its stdin does.

A parent that is killed so leaves none of them behind, and none of them needs a guard.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from seatrial.machine.namespace import Namespace

LINE_LIMIT_BYTES = 1 << 28
"""A frame takes a few KB, the last word of a worker with 100,000 routes and their histograms some 100 MB."""


class Child:
    """A running child. Made by ``start``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        stderr: int | IO[Any] = asyncio.subprocess.PIPE,
        namespace: Namespace | None = None,
    ) -> Self:
        """Start it in a session of its own, so that a Ctrl-C in the terminal is for its parent; raises ``OSError``.

        ``namespace`` is the network that it is in, None is the machine's own.
        """
        argv = argv if namespace is None else namespace.within(tuple(argv))
        return cls(
            await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
                limit=LINE_LIMIT_BYTES,
            )
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one line to it; nothing is done where it has ended."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError, ConnectionResetError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what it writes to stdout, to the end; a line that is no JSON is passed over.

        Lines are numbered for those who read them from a log; a pipe loses none, and repeats none.
        """
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            with suppress(ValueError):
                message = json.loads(line)
                message.pop("line", None)
                yield message

    async def words(self) -> str:
        """Return what it has written to stderr, once it has ended."""
        if self._process.stderr is None:
            return ""
        return (await self._process.stderr.read()).decode(errors="replace").strip()

    async def wait(self) -> int:
        """Wait until it has ended; return its exit status, negative for a signal."""
        return await self._process.wait()

    def hang_up(self) -> None:
        """Close its stdin, which is the end of its life."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def end(self, limit_s: float) -> int:
        """Wait for its end, with SIGTERM after ``limit_s`` and SIGKILL after as much again; return as ``wait``."""
        for ask in (self._process.terminate, self._process.kill):
            with suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    return await self._process.wait()
            with suppress(ProcessLookupError):
                ask()
        return await self._process.wait()
