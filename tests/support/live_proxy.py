"""A proxy of ours, several replicas of it, whose routes go live and away at set moments."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass, field

WHO = "Seatrial-Endpoint"
DROPPED = b""
"""In place of an answer: the connection is closed."""
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


@dataclass(slots=True)
class Replica:
    """One replica: ``live`` says from when to when (CLOCK_MONOTONIC, ns) which service answers for a host.

    ``planted`` answers for a host are given before any other, each once and in their order; ``given_ns`` keeps when.
    ``asked`` counts requests, ``connections`` those that were opened.
    """

    live: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    planted: dict[str, list[bytes]] = field(default_factory=dict)
    given_ns: list[int] = field(default_factory=list)
    asked: int = 0
    connections: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.Transport] = field(default_factory=set)

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen on a port of loopback, the same one each time; for TLS alone where there is a context."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no longer."""
        assert self._server is not None
        self._server.close()

    async def vanish(self) -> None:
        """Listen no longer, and reset every connection."""
        await self.close()
        for transport in tuple(self._open):
            transport.abort()

    def answer(self, host: str) -> bytes:
        """Answer a request at this moment."""
        self.asked += 1
        if self.planted.get(host):
            self.given_ns.append(time.monotonic_ns())
            return self.planted[host].pop(0)
        from_ns, to_ns, service = self.live.get(host, (0, 0, ""))
        if from_ns <= time.monotonic_ns() < to_ns:
            return served(service)
        return NOT_FOUND


def served(service: str) -> bytes:
    """Return the answer of a service."""
    return f"HTTP/1.1 200 OK\r\n{WHO}: {service}\r\nContent-Length: 2\r\n\r\nok".encode()


class _Connection(asyncio.Protocol):
    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._replica.connections += 1
        self._replica._open.add(transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._replica._open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            host = next(line[6:] for line in head.split(b"\r\n") if line.lower().startswith(b"host: "))
            answer = self._replica.answer(host.decode())
            if answer == DROPPED:
                self._transport.abort()
            else:
                self._transport.write(answer)
