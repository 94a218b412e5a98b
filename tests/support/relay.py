"""A relay between a client and a server whose connections a test cuts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CHUNK_BYTES = 1 << 16


class Relay:
    """Passes bytes on in both directions; ``cut`` breaks every connection there is, new ones are taken."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._open: set[asyncio.StreamWriter] = set()
        self.cuts = 0
        self.port = 0

    def cut(self) -> int:
        """Break all connections; return how many there were."""
        broken = len(self._open) // 2
        for writer in tuple(self._open):
            writer.transport.abort()
        self.cuts += 1
        return broken

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one connection."""
        try:
            other_reader, other_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, other_writer}
        self._open |= both
        try:
            await asyncio.gather(_passed_on(reader, other_writer), _passed_on(other_reader, writer))
        except asyncio.CancelledError:
            # The test is over, and with it the loop.
            return
        finally:
            self._open -= both


async def _passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def relay(host: str, port: int) -> AsyncIterator[Relay]:
    """Have one on a port of its own."""
    made = Relay(host, port)
    server = await asyncio.start_server(made.take, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.cut()
