"""nginx as the system under test: a reverse proxy with kept upstream connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from seatrial.schema.fields import Processes
from seatrial.schema.quantities import COUNT, Quantity
from seatrial.systems.nginx.server import NginxServer, find_program
from seatrial.systems.options import SystemOptions, only_one_proxy

if TYPE_CHECKING:
    from seatrial.machine.address import Endpoint
    from seatrial.machine.members import Member
    from seatrial.machine.processes.programs import BinaryInfo
    from seatrial.systems.base import Launch
    from seatrial.systems.counters import Counters


class NginxOptions(SystemOptions):
    """Nginx, started as a process of this machine."""

    # A slot of `worker_connections` (232 + 2 x 96 bytes) and a pool of 512 bytes.
    bytes_per_connection: ClassVar[int] = 1_024

    kind: Literal["nginx"] = "nginx"
    proxies: Processes = Field(1, description="nginx masters side by side; just 1 for now.", examples=[1])
    worker_processes: Processes = Field(1, description="Worker processes of each nginx.", examples=[1, 4])
    keepalive_upstream: Annotated[int, Quantity(COUNT, 1, 65_536)] = Field(
        512, description="Idle connections to the origin that each worker process keeps open.", examples=[512]
    )

    @field_validator("proxies")
    @classmethod
    def _one_for_now(cls, proxies: int) -> int:
        return only_one_proxy(proxies)

    @property
    def proxy_processes(self) -> int:
        """Its worker processes; Envoy's workers are threads of one process with one descriptor table."""
        return self.worker_processes

    def create(self) -> NginxSystem:
        """Return the system, not started."""
        return NginxSystem(self.worker_processes, self.keepalive_upstream)


class NginxSystem:
    """One nginx master with ``worker_processes`` workers."""

    def __init__(self, worker_processes: int = 1, keepalive_upstream: int = 512) -> None:
        values = {"keepalive_upstream": keepalive_upstream}
        self._server = NginxServer("system", "nginx-proxy.conf.j2", worker_processes, values)

    async def start(self, launch: Launch) -> tuple[Endpoint, ...]:
        """Render, validate, start, and wait until nginx listens; see ``System.start``."""
        return await self._server.start(launch)

    async def counters(self, *, exact: bool = False) -> Counters:
        """Read stub_status, or the counting log and the kernel's sockets where this nginx has none."""
        return await self._server.counters(exact=exact)

    async def drained(self, limit_s: float) -> bool:
        """Wait until no connection is open on the port; every request is counted after that."""
        return await self._server.drained(limit_s)

    def members(self) -> tuple[Member, ...]:
        """Return the one nginx, master and workers."""
        return self._server.members()

    def failure(self) -> str | None:
        """Say how nginx has ended, or that it has lost a worker."""
        return self._server.failure()

    def version(self) -> BinaryInfo:
        """Return the nginx that is used; raise ``EnvironmentFault`` where there is none."""
        return find_program().info()

    async def stop(self) -> None:
        """End nginx."""
        await self._server.stop()
