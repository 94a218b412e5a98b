"""nginx as the system under test: a reverse proxy with kept upstream connections."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from seatrial.schema.fields import Processes
from seatrial.systems.disturbance import OF_ANY_PROXY, OF_CONFIGURATION, Action
from seatrial.systems.nginx.dialect import PLACES, NginxDialect, NginxTuning
from seatrial.systems.options import KEEPALIVE, Keepalive, ProxyOptions
from seatrial.systems.raw import Document


class NginxOptions(ProxyOptions):
    """Nginx, started as a process of this machine."""

    disturbances: ClassVar[frozenset[Action]] = OF_ANY_PROXY | OF_CONFIGURATION | {"reload"}
    # A slot of `worker_connections` (232 + 2 x 96 bytes) and a pool of 512 bytes.
    bytes_per_connection: ClassVar[int] = 1_024
    raw: ClassVar[Document] = Document({place: where for place, (where, _) in PLACES.items()})
    not_counted: ClassVar[tuple[str, ...]] = (
        "accepted connections, where it is built without stub_status (as PyPI's is)",
        "upstream requests",
    )

    kind: Literal["nginx"] = "nginx"
    worker_processes: Processes = Field(1, description="Worker processes of each nginx.", examples=[1, 4])
    keepalive_upstream: Keepalive = Field(
        512, description=KEEPALIVE.format(who="worker process"), examples=[512, 0]
    )

    @property
    def processes_each(self) -> int:
        """Its worker processes; Envoy's workers are threads of one process with one descriptor table."""
        return self.worker_processes

    def dialect(self) -> NginxDialect:
        """Return how one is configured and asked."""
        values = {
            "keepalive_upstream": self.keepalive_upstream,
            "buffer": self.buffer_bytes,
            "header_buffer": self.header_buffer_bytes,
        }
        tuning = NginxTuning(self.limits, self.access_log, self.config or {})
        return NginxDialect("nginx-proxy.conf.j2", self.worker_processes, values, tuning)
