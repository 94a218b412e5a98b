"""The topology of a trial, with a name or an address for each of its things."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.workload.requests import expand as texts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from seatrial.machine.address import Endpoint
    from seatrial.topology.options import TopologyPlan


@dataclass(frozen=True, slots=True)
class Service:
    """What one or several routes lead to."""

    name: str
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Requests for a ``host`` (None is any), with a path that begins with ``prefix``, go to ``service``.

    ``any_host`` is what requests say where any host would do.
    """

    name: str
    host: str | None
    prefix: str
    service: Service
    any_host: str = "localhost"

    @property
    def authority(self) -> str:
        """The Host field of a request for it."""
        return self.host or self.any_host


@dataclass(frozen=True, slots=True)
class Topology:
    """Every route, and every service in the order of its number."""

    routes: tuple[Route, ...]
    services: tuple[Service, ...]

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Those of all services."""
        return tuple(endpoint for service in self.services for endpoint in service.endpoints)

    @property
    def ca(self) -> Path | None:
        """Who issued the certificate of the origin, which is asked over TLS then; None is plain HTTP."""
        return next((endpoint.ca for endpoint in self.endpoints), None)

    @property
    def is_routed(self) -> bool:
        """Whether there is more than one route, which then takes whatever comes."""
        return len(self.routes) > 1

    @property
    def by_path(self) -> bool:
        """Whether paths tell routes apart, and hosts do not."""
        return self.is_routed and self.routes[0].host is None


NOWHERE = Topology((), ())
"""That of an origin, which passes nothing on."""


def expand(
    plan: TopologyPlan, endpoints: Sequence[Endpoint], run: int | None = None, any_host: str = "localhost"
) -> Topology:
    """Return the topology over endpoints that are dealt to the services in runs, ``plan.endpoints`` of each.

    A ``run`` that is longer keeps some in hand, so that a service keeps its own when it is given more. Route number r
    leads to service number r modulo their number. Requests for a route without a host of its own say ``any_host``.
    """
    length, each = run or plan.endpoints, plan.endpoints
    services = tuple(
        Service(name, tuple(endpoints[number * length : number * length + each]))
        for number, name in enumerate(plan.service_names)
    )
    hosts = texts(plan.hosts) if plan.hosts else (None,) * plan.routes
    prefixes = texts(plan.paths) if plan.paths else ("/",) * plan.routes
    routes = tuple(
        Route(f"route-{number}", host, prefix, services[number % len(services)], any_host)
        for number, (host, prefix) in enumerate(zip(hosts, prefixes, strict=True))
    )
    return Topology(routes, services)
