"""Which routes and endpoints requests came in at, by the origin's own count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.record.facts import Reached

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.machine.address import Endpoint
    from seatrial.systems.counters import OriginCounts
    from seatrial.topology.expand import Topology


def reached(
    topology: Topology, listening: Sequence[Endpoint], before: OriginCounts, after: OriginCounts
) -> Reached:
    """Return how many routes and endpoints there are, and how many were reached between two counts.

    ``listening`` is every endpoint of the origin, in the order of its counts: a topology may not use all of them.
    """
    return Reached(
        routes=len(topology.routes),
        routes_reached=_routes(topology, before, after) if after.by_route else None,
        endpoints=len(topology.endpoints),
        endpoints_reached=_endpoints(topology, listening, before, after) if after.by_endpoint else None,
    )


def _routes(topology: Topology, before: OriginCounts, after: OriginCounts) -> int:
    if not topology.is_routed:
        return int(after.requests > before.requests)
    seen = (key.split(" ", 1) for key, count in after.by_route.items() if count > before.by_route.get(key, 0))
    if topology.by_path:
        names = {f"/{path.split('/')[1]}/" for _, path in seen}
        return sum(route.prefix in names for route in topology.routes)
    hosts = {host.partition(":")[0] for host, _ in seen}
    return sum(route.host in hosts for route in topology.routes)


def _endpoints(
    topology: Topology, listening: Sequence[Endpoint], before: OriginCounts, after: OriginCounts
) -> int:
    earlier = before.by_endpoint or (0,) * len(after.by_endpoint)
    used = set(topology.endpoints)
    counts = zip(listening, earlier, after.by_endpoint, strict=True)
    return sum(later > first for endpoint, first, later in counts if endpoint in used)
