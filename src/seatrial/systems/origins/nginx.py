"""nginx as the origin: one answer from memory, the same on every path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.errors import SystemFault
from seatrial.machine.processes import programs
from seatrial.systems.counters import OriginCounts
from seatrial.systems.local.proxy import Proxy
from seatrial.systems.nginx.dialect import PROGRAM, NginxDialect

if TYPE_CHECKING:
    from seatrial.machine.address import Endpoint
    from seatrial.machine.members import Member
    from seatrial.machine.processes.programs import BinaryInfo
    from seatrial.systems.base import Launch

STRING_BYTES_MAX = 3_500
"""nginx takes no string beyond 4,096 bytes in its configuration; a longer body is a cached file."""


class NginxOrigin:
    """One nginx that answers every request with ``status`` and ``body_bytes`` bytes."""

    def __init__(self, body_bytes: int = 600, status: int = 200, processes: int = 1) -> None:
        self._body_bytes = body_bytes
        self._status = status
        self._server: Proxy | None = None
        self._processes = processes

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
        self._server = Proxy(NginxDialect("nginx-origin.conf.j2", self._processes, values), "origin")
        return await self._server.start(launch)

    async def counts(self) -> OriginCounts:
        """Count requests exactly; nginx does not count them by route."""
        if self._server is None:
            return OriginCounts(0, {})
        counters = await self._server.counters(exact=True)
        return OriginCounts(
            requests=counters.requests or 0,
            by_route={},
            connections_active=counters.connections_active,
            connections_accepted=counters.connections_accepted,
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
