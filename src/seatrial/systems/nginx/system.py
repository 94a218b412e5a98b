"""nginx as the system under test: a reverse proxy with kept upstream connections."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from seatrial.schema.fields import Processes
from seatrial.schema.quantities import COUNT, Quantity
from seatrial.systems.disturbance import OF_ANY_PROXY, OF_CONFIGURATION, Action
from seatrial.systems.nginx.dialect import NginxDialect
from seatrial.systems.options import ProxyOptions


class NginxOptions(ProxyOptions):
    """Nginx, started as a process of this machine."""

    disturbances: ClassVar[frozenset[Action]] = OF_ANY_PROXY | OF_CONFIGURATION | {"reload"}
    # A slot of `worker_connections` (232 + 2 x 96 bytes) and a pool of 512 bytes.
    bytes_per_connection: ClassVar[int] = 1_024

    kind: Literal["nginx"] = "nginx"
    worker_processes: Processes = Field(1, description="Worker processes of each nginx.", examples=[1, 4])
    keepalive_upstream: Annotated[int, Quantity(COUNT, 1, 65_536)] = Field(
        512, description="Idle connections to the origin that each worker process keeps open.", examples=[512]
    )

    @property
    def processes_each(self) -> int:
        """Its worker processes; Envoy's workers are threads of one process with one descriptor table."""
        return self.worker_processes

    def dialect(self) -> NginxDialect:
        """Return how one is configured and asked."""
        values = {"keepalive_upstream": self.keepalive_upstream}
        return NginxDialect("nginx-proxy.conf.j2", self.worker_processes, values)
