"""What one load asks of the machine, as numbers: the checks know neither plans nor systems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seatrial.machine.cpus.pinning import CpuChoice


@dataclass(frozen=True, slots=True)
class Needs:
    """One load. None is "as many as it takes": for ``sources`` addresses of loopback, for ``workers`` processes.

    ``origin_processes`` None means that whatever serves the load is not ours to check. ``pools`` are the sets of idle
    connections that proxies keep to services, where there are several; each has one at least once it was used.
    ``reopened_per_s`` is how many connections are closed and opened anew while the load runs.
    """

    held: int = 0
    active: int = 0
    rate_per_s: float | None = None
    connect_rate_per_s: float = 2_000.0
    body_bytes: int = 600
    proxied: bool = False
    proxy_processes: int = 1
    proxy_bytes_per_connection: int = 0
    origin_processes: int | None = 1
    workers: int | None = None
    sources: int | None = None
    destinations: int = 1
    pools: int = 0
    endpoints: int = 1
    loopback: bool = True
    tls: bool = False
    reopened_per_s: float = 0.0
    listen: tuple[tuple[str, int], ...] = ()
    namespaces: bool = False
    cpus: CpuChoice = "shared"

    @property
    def connections(self) -> int:
        """Return the connections that the workers open."""
        return self.held + self.active

    @property
    def pairs(self) -> int:
        """Return the pairs of sockets on this machine: an active connection goes on from the proxy to the origin."""
        return self.connections + (self.upstream if self.proxied else 0)

    @property
    def upstream(self) -> int:
        """Return the connections from the proxies to the origin: one for each that is active, and those kept idle."""
        return self.active + self.pools
