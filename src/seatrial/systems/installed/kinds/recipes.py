"""The recipe of each kind of system that Seatrial installs."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from seatrial.systems.installed.kinds import contour, envoy_gateway, envoy_pods, traefik
from seatrial.systems.installed.kinds.recipe import Asked, Recipe
from seatrial.systems.installed.kinds.status_port import STATUS_PORT
from seatrial.systems.installed.manifests.rights import GATEWAY_API
from seatrial.systems.installed.manifests.routes import Door

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from seatrial.systems.counters import Reading
    from seatrial.systems.installed.kinds.contour import ContourOptions
    from seatrial.systems.installed.kinds.envoy_gateway import EnvoyGatewayOptions
    from seatrial.systems.installed.kinds.envoy_pods import EnvoyNames
    from seatrial.systems.installed.kinds.recipe import Get
    from seatrial.systems.installed.kinds.traefik import TraefikAsked
    from seatrial.systems.installed.manifests.objects import Object, Site
    from seatrial.systems.settings import Setting
    from seatrial.topology.expand import Topology

_ANY = Asked(has_tls=False, max_connections=0)
_V1 = f"{GATEWAY_API}/v1"
_GATEWAY = (
    *((_V1, kind) for kind in ("GatewayClass", "Gateway", "HTTPRoute")),
    (f"{GATEWAY_API}/v1beta1", "ReferenceGrant"),
)


class _EnvoysRecipe(Recipe):
    """A controller with Envoys of its own, which are read alike whoever gives their clusters and listeners names."""

    status_port: ClassVar[int] = STATUS_PORT
    _options: ContourOptions | EnvoyGatewayOptions

    @abstractmethod
    def _names(self, asked: Asked) -> EnvoyNames:
        """Return what the controller calls the parts of an Envoy."""

    def replicas(self) -> int:
        """Return how many Envoys there are to be."""
        return self._options.proxies

    async def endpoints(self, get: Get, asked: Asked) -> Collection[frozenset[str]]:
        """Read an Envoy's clusters."""
        return await envoy_pods.endpoints(get, self._names(asked))

    async def reading(self, get: Get, incarnation: str, asked: Asked) -> Reading:
        """Read an Envoy's counters."""
        return await envoy_pods.reading(get, self._names(asked), incarnation)

    async def settings(self, member: str, get: Get, asked: Asked) -> tuple[Setting, ...]:
        """Read an Envoy's circuit breakers, the limits of its listener, and its sizes."""
        sizes = {"per_connection_buffer_limit_bytes": self._options.buffer_bytes}
        limit = self._options.breaker_limit(asked.max_connections)
        return await envoy_pods.settings(member, get, self._names(asked), limit, sizes)

    async def configuration(self, get: Get) -> Mapping[str, str]:
        """Return digests of what an Envoy runs."""
        return await envoy_pods.configuration(get)


class ContourRecipe(_EnvoysRecipe):
    """Contour, and its Envoys."""

    metrics_port: ClassVar[int] = contour.METRICS_PORT
    deployments = ("contour", "envoy")
    controllers = ("contour",)
    _options: ContourOptions

    def __init__(self, site: Site, options: ContourOptions) -> None:
        super().__init__(site, options.route_dialect, contour.door(site))
        self._options = options
        gateway = _GATEWAY if options.route_dialect == "HTTPRoute" else ()
        self.needs = (*contour.NEEDS, *gateway)

    @property
    def images(self) -> Mapping[str, str]:
        """Those of Contour and of its Envoys."""
        return dict(zip(("contour", "envoy"), self._options.images, strict=True))

    @property
    def version(self) -> str:
        """Contour's."""
        return self._options.version or contour.VERSION

    def proxies(self) -> Mapping[str, str]:
        """Return the labels of the Envoys."""
        return self.labelled("envoy")

    def listen_port(self, asked: Asked) -> int:
        """Return the port of an Envoy."""
        return contour.LISTEN_TLS_PORT if asked.has_tls else contour.LISTEN_PORT

    def system(self, asked: Asked) -> Iterator[Object]:
        """Yield Contour and its Envoys."""
        return contour.objects(self.site, self._options, has_tls=asked.has_tls)

    def annotations(self, asked: Asked) -> Mapping[str, str]:
        """Return those that set the circuit breakers."""
        return contour.breakers(self._options.breaker_limit(asked.max_connections))

    async def has_taken(self, topology: Topology, get: Get) -> bool:
        """Return whether an Envoy has the endpoints of every service."""
        return await envoy_pods.clusters_in(get, self._names(_ANY)) >= len(topology.services)

    def _names(self, asked: Asked) -> EnvoyNames:
        is_gateway = self.dialect == "HTTPRoute"
        return envoy_pods.of_contour(self.site.namespace, has_tls=asked.has_tls, is_gateway=is_gateway)


class EnvoyGatewayRecipe(_EnvoysRecipe):
    """Envoy Gateway, and the Envoys that it starts."""

    metrics_port: ClassVar[int] = envoy_gateway.METRICS_PORT
    deployments = (envoy_gateway.NAME,)
    controllers = deployments
    _options: EnvoyGatewayOptions

    def __init__(self, site: Site, options: EnvoyGatewayOptions) -> None:
        super().__init__(site, options.route_dialect, Door())
        self._options = options
        self.needs = (*_GATEWAY, *envoy_gateway.GATEWAY_NEEDS, *envoy_gateway.NEEDS)

    @property
    def images(self) -> Mapping[str, str]:
        """Those of Envoy Gateway and of its Envoys."""
        return dict(zip((envoy_gateway.NAME, "envoy"), self._options.images, strict=True))

    @property
    def version(self) -> str:
        """Envoy Gateway's."""
        return self._options.version or envoy_gateway.VERSION

    def proxies(self) -> Mapping[str, str]:
        """Return the labels that it gives to its Envoys."""
        return envoy_gateway.labels(self.site)

    def listen_port(self, asked: Asked) -> int:
        """Return the port of an Envoy."""
        return envoy_gateway.LISTEN_TLS_PORT if asked.has_tls else envoy_gateway.LISTEN_PORT

    def system(self, asked: Asked) -> Iterator[Object]:
        """Yield Envoy Gateway, its class and its Gateway, and the policies of that."""
        yield from envoy_gateway.objects(self.site, self._options, has_tls=asked.has_tls)
        limit = self._options.breaker_limit(asked.max_connections)
        yield from envoy_gateway.policies(self.site, self._options, limit)

    async def has_taken(self, topology: Topology, get: Get) -> bool:
        """Return whether an Envoy has the endpoints of every route: each has a cluster of its own."""
        return await envoy_pods.clusters_in(get, self._names(_ANY)) >= len(topology.routes)

    def _names(self, asked: Asked) -> EnvoyNames:
        return envoy_pods.of_envoy_gateway(self.site.namespace, has_tls=asked.has_tls)


class TraefikRecipe(Recipe):
    """Traefik, which is its own controller."""

    missing: ClassVar[tuple[str, ...]] = ("accepted connections: Traefik does not count them",)
    status_port: ClassVar[int] = traefik.STATUS_PORT
    deployments = ("traefik",)

    def __init__(self, site: Site, options: TraefikAsked) -> None:
        super().__init__(site, options.route_dialect, traefik.door(site))
        self._options = options
        self.needs = (*_GATEWAY, *traefik.GATEWAY_NEEDS) if options.route_dialect == "HTTPRoute" else ()

    @property
    def images(self) -> Mapping[str, str]:
        """Its image."""
        return {"traefik": traefik.image(self._options)}

    @property
    def version(self) -> str:
        """Its version."""
        return self._options.version or traefik.VERSION

    def proxies(self) -> Mapping[str, str]:
        """Return the labels of its pods."""
        return self.labelled("traefik")

    def replicas(self) -> int:
        """Return how many of it there are to be."""
        return self._options.proxies

    def listen_port(self, asked: Asked) -> int:
        """Return the port of its entry point."""
        return traefik.listen_port(has_tls=asked.has_tls)

    def system(self, asked: Asked) -> Iterator[Object]:
        """Yield its objects."""
        return traefik.objects(self.site, self._options, has_tls=asked.has_tls)

    async def endpoints(self, get: Get, asked: Asked) -> Collection[frozenset[str]]:  # noqa: ARG002
        """Read its services."""
        return traefik.endpoints(await get(traefik.CONFIGURATION_PAGE))

    async def reading(self, get: Get, incarnation: str, asked: Asked) -> Reading:  # noqa: ARG002
        """Read its metrics."""
        return traefik.reading(await get("/metrics"), incarnation)

    async def settings(self, member: str, get: Get, asked: Asked) -> tuple[Setting, ...]:  # noqa: ARG002
        """Read what its API says of its entry point."""
        return traefik.settings(member, await get(traefik.ENTRY_POINT_PAGE), self._options)

    async def configuration(self, get: Get) -> Mapping[str, str]:
        """Return the digest of its routers and services."""
        return traefik.configuration(await get(traefik.CONFIGURATION_PAGE))
