"""What one case asks of the machine, as numbers: the checks know neither plans nor systems."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.plan.model import NginxOptions

if TYPE_CHECKING:
    from seatrial.plan.cases import Case

# User memory of one connection inside the proxy. Envoy: its connection, filter chain and codec objects; nginx: a slot
# of `worker_connections` (232 + 2 x 96 bytes) and a pool of 512 bytes.
_PROXY_BYTES_PER_CONNECTION = {"envoy": 8_192, "nginx": 1_024, "direct": 0}


@dataclass(frozen=True, slots=True)
class Needs:
    """One load. None is "as many as it takes": for ``sources`` addresses of loopback, for ``workers`` processes."""

    held: int = 0
    active: int = 0
    rate_per_s: float | None = None
    connect_rate_per_s: float = 2_000.0
    body_bytes: int = 600
    proxied: bool = False
    proxy_processes: int = 1
    proxy_bytes_per_connection: int = 0
    origin_processes: int = 1
    workers: int | None = None
    sources: int | None = None
    destinations: int = 1
    loopback: bool = True
    listen: tuple[tuple[str, int], ...] = ()

    @property
    def connections(self) -> int:
        """Return the connections that the workers open."""
        return self.held + self.active

    @property
    def pairs(self) -> int:
        """Return the pairs of sockets on this machine: an active connection goes on from the proxy to the origin."""
        return self.connections + (self.active if self.proxied else 0)


def needs_of_case(case: Case) -> Needs:
    """Return what a case needs on one machine, with the proxy, the origin and the workers all on it."""
    options = case.system.options
    return Needs(
        held=case.load.connections,
        active=case.load.active,
        rate_per_s=case.load.rate_per_s,
        connect_rate_per_s=case.load.connect_rate_per_s,
        body_bytes=case.origin.body_bytes,
        proxied=case.system.kind != "direct",
        # Envoy's workers are threads of one process with one descriptor table; nginx's are processes with one each.
        proxy_processes=options.worker_processes if isinstance(options, NginxOptions) else 1,
        proxy_bytes_per_connection=_PROXY_BYTES_PER_CONNECTION[case.system.kind],
        origin_processes=case.origin.processes,
        workers=case.load.workers,
        sources=_addresses(case.load.sources),
    )


def _addresses(sources: tuple[str, ...]) -> int | None:
    if not sources:
        return None
    return sum(ipaddress.ip_network(source, strict=False).num_addresses for source in sources)
