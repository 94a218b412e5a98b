"""nginx as the origin: one answer from memory, the same on every path and at every address.

One nginx listens on all of its addresses. Of several, it counts the requests of each through a log of one byte a
request; which routes they were for it does not count. It is one process for all of them: none stands still alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.errors import SystemFault
from seatrial.machine.processes import programs
from seatrial.systems.counters import OriginCounts
from seatrial.systems.local.proxy import Proxy
from seatrial.systems.nginx.dialect import PROGRAM, NginxDialect, NginxTuning, requests_at

if TYPE_CHECKING:
    from collections.abc import Collection

    from seatrial.machine.address import Endpoint
    from seatrial.machine.members import Member
    from seatrial.machine.processes.programs import BinaryInfo
    from seatrial.systems.base import Launch
    from seatrial.systems.counters import Counters

STRING_BYTES_MAX = 3_500
"""nginx takes no string beyond 4,096 bytes in its configuration; a longer body is a cached file."""


class NginxOrigin:
    """One nginx that answers every request with ``status`` and ``body_bytes`` bytes."""

    def __init__(self, body_bytes: int = 600, status: int = 200, processes: int = 1) -> None:
        self._body_bytes = body_bytes
        self._status = status
        self._server: Proxy | None = None
        self._processes = processes
        self._listens = 1

    async def start(self, launch: Launch) -> tuple[Endpoint, ...]:
        """Write the body where it needs a file, then start as ``NginxServer.start`` does."""
        body = "x" * self._body_bytes
        body_file = None
        if self._body_bytes > STRING_BYTES_MAX:
            self._require_ok()
            body_file = f"{launch.label}-body"
            (launch.directory / body_file).write_text(body)
        values = {
            "status_code": self._status,
            "body": body,
            "body_file": body_file,
            "body_directory": launch.directory,
        }
        self._listens = launch.listens
        tuning = NginxTuning(counts_each=launch.listens > 1)
        self._server = Proxy(NginxDialect("nginx-origin.conf.j2", self._processes, values, tuning), "origin")
        return await self._server.start(launch)

    async def counts(self) -> OriginCounts:
        """Count requests exactly, at each address, too; nginx does not count them by route."""
        if self._server is None:
            return OriginCounts(0, {})
        counters = await self._server.counters(exact=True)
        requests = counters.requests or 0
        return OriginCounts(
            requests=requests,
            by_route={},
            by_endpoint=(requests,) if self._listens == 1 else _each(counters, self._listens),
            connections_active=counters.connections_active,
            connections_accepted=counters.connections_accepted,
        )

    async def pause(self, endpoints: Collection[int]) -> None:
        """Raise ``SystemFault`` where any is to stand still: its workers serve all of them."""
        if endpoints:
            raise SystemFault(
                "nginx as an origin is one process for all of its endpoints: none of them can be paused alone",
                next_step="use the origin of kind seatrial",
            )

    def members(self) -> tuple[Member, ...]:
        """Return the one nginx, master and workers."""
        return self._server.members() if self._server else ()

    def failure(self) -> str | None:
        """Say how nginx has ended, or that it has lost a worker."""
        return self._server.failure() if self._server else None

    def version(self) -> BinaryInfo:
        """Return the nginx that is used; raise ``EnvironmentFault`` where there is none."""
        return programs.installed(PROGRAM)

    async def stop(self) -> None:
        """End nginx."""
        if self._server is not None:
            await self._server.stop()

    def _require_ok(self) -> None:
        if self._status != 200:
            raise SystemFault(
                f"the nginx origin cannot answer {self._status} with {self._body_bytes} bytes",
                cause=f"it gives another status than 200 only with at most {STRING_BYTES_MAX} bytes",
                next_step="use the origin of kind seatrial, or a shorter body",
            )


def _each(counters: Counters, listens: int) -> tuple[int, ...]:
    """Return the requests at each address of the one nginx; empty where it was never read."""
    values = next((reading.values for reading in counters.members.values()), {})
    return tuple(int(values[requests_at(number)]) for number in range(listens)) if values else ()
