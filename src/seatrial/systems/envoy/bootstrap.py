"""Envoy's static bootstrap: one HTTP/1.1 listener, a cluster for each service, an admin port on loopback.

What is not set here stays Envoy's default, so that the proxy measured is the one that people run. Worth
knowing: the per-connection buffer limit is 1 MiB each way, request ids are generated, nothing is retried, an
upstream connection serves any number of requests.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from seatrial.systems.certificate import ORIGIN_NAME
from seatrial.systems.raw import merged

if TYPE_CHECKING:
    from pathlib import Path as FilePath

    from seatrial.machine.address import Address
    from seatrial.systems.base import Launch
    from seatrial.systems.certificate import Certificate
    from seatrial.systems.local.dialect import Ports
    from seatrial.systems.raw import Path
    from seatrial.systems.vocabulary import SharedOptions
    from seatrial.topology.expand import Route, Service, Topology

STAT_PREFIX = "ingress"
LISTENER = "ingress"
BREAKERS = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
CIRCUIT_BREAKERS_LEAST = 50_000
"""The procedure raises them to this; Envoy's own default of 1,024 would be measured instead of the proxy."""
BACKLOG = 65_535
CONNECT_TIMEOUT_S = 5
KIB = 1_024
"""Envoy takes the largest head of a request in these, and rounds nothing: a part of one is a whole."""

_EXTENSIONS = "type.googleapis.com/envoy.extensions"
_LISTENER = ("static_resources", "listeners", LISTENER)
_MANAGER = "envoy.filters.network.http_connection_manager"
KEPT: tuple[Path, ...] = (
    ("admin", "address"),
    (*_LISTENER, "address"),
    (*_LISTENER, "stat_prefix"),
    (*_LISTENER, "filter_chains", "0", "filters", _MANAGER, "typed_config", "stat_prefix"),
    ("stats_config",),
)
"""Where requests are sent, and what is counted under names that are known."""


def breaker_limit(options: SharedOptions, launch: Launch) -> int | None:
    """Return what the circuit breakers of every cluster are set to; None leaves them at Envoy's default."""
    if options.limits == "default":
        return None
    if options.limits == "raised":
        return max(CIRCUIT_BREAKERS_LEAST, launch.max_connections)
    return options.limits


def bootstrap(launch: Launch, ports: Ports, options: SharedOptions) -> dict[str, Any]:
    """Return the configuration as Envoy reads it from JSON."""
    limit = breaker_limit(options, launch)
    clusters = [_cluster(service, limit, options, launch) for service in launch.topology.services]
    document = {
        "admin": {"address": _address(ports.status)},
        "static_resources": {"listeners": [_listener(ports.listen, launch, options)], "clusters": clusters},
    }
    return document if options.config is None else merged(document, options.config)


def _listener(listen: Address, launch: Launch, options: SharedOptions) -> dict[str, Any]:
    manager = _connection_manager(launch, options)
    return {
        "name": LISTENER,
        "stat_prefix": LISTENER,
        "address": _address(listen),
        "tcp_backlog_size": BACKLOG,
        **_buffer(options),
        "filter_chains": [{"filters": [manager], **_tls(launch.certificate)}],
    }


def _buffer(options: SharedOptions) -> dict[str, Any]:
    size = options.buffer_bytes
    return {} if size is None else {"per_connection_buffer_limit_bytes": size}


def _tls(certificate: Certificate | None) -> dict[str, Any]:
    if certificate is None:
        return {}
    files = {
        "certificate_chain": {"filename": str(certificate.cert)},
        "private_key": {"filename": str(certificate.key)},
    }
    context = {
        "@type": f"{_EXTENSIONS}.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"tls_certificates": [files], "alpn_protocols": ["http/1.1"]},
    }
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}


def _tls_upstream(ca: FilePath | None) -> dict[str, Any]:
    if ca is None:
        return {}
    name = {"san_type": "DNS", "matcher": {"exact": ORIGIN_NAME}}
    trusted = {"trusted_ca": {"filename": str(ca)}, "match_typed_subject_alt_names": [name]}
    context = {
        "@type": f"{_EXTENSIONS}.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": ORIGIN_NAME,
        "common_tls_context": {"validation_context": trusted, "alpn_protocols": ["http/1.1"]},
    }
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}


def _access_log(launch: Launch, options: SharedOptions) -> dict[str, Any]:
    if options.access_log == "off":
        return {}
    loggers = f"{_EXTENSIONS}.access_loggers"
    config = {"@type": f"{loggers}.stream.v3.StdoutAccessLog"}
    if options.access_log == "file":
        config = {"@type": f"{loggers}.file.v3.FileAccessLog", "path": str(launch.access_log)}
    return {"access_log": [{"name": f"envoy.access_loggers.{options.access_log}", "typed_config": config}]}


def _head_limit(options: SharedOptions) -> dict[str, Any]:
    size = options.header_buffer_bytes
    return {} if size is None else {"max_request_headers_kb": math.ceil(size / KIB)}


def _connection_manager(launch: Launch, options: SharedOptions) -> dict[str, Any]:
    topology = launch.topology
    router = {"@type": f"{_EXTENSIONS}.filters.http.router.v3.Router"}
    return {
        "name": _MANAGER,
        "typed_config": {
            "@type": f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": STAT_PREFIX,
            "codec_type": "HTTP1",
            # The edge of a cluster sees its clients directly.
            "use_remote_address": True,
            # Held connections stay silent for as long as the trial takes.
            "common_http_protocol_options": {"idle_timeout": "0s"},
            **_head_limit(options),
            **_access_log(launch, options),
            "route_config": {"name": "all", "virtual_hosts": _virtual_hosts(topology)},
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
        },
    }


def _virtual_hosts(topology: Topology) -> list[dict[str, Any]]:
    if topology.is_routed and not topology.by_path:
        return [
            {"name": route.name, "domains": [route.host, f"{route.host}:*"], "routes": [_route(route)]}
            for route in topology.routes
        ]
    return [{"name": "all", "domains": ["*"], "routes": [_route(route) for route in topology.routes]}]


def _route(route: Route) -> dict[str, Any]:
    # No time limit: the load generator gives up by its own clock, and a second clock would blur whose limit
    # was met.
    return {"match": {"prefix": route.prefix}, "route": {"cluster": route.service.name, "timeout": "0s"}}


_PROTOCOLS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_ONE_REQUEST_EACH = {
    "typed_extension_protocol_options": {
        _PROTOCOLS: {
            "@type": f"type.googleapis.com/{_PROTOCOLS}",
            "common_http_protocol_options": {"max_requests_per_connection": 1},
            "explicit_http_config": {"http_protocol_options": {}},
        }
    }
}


def _cluster(service: Service, limit: int | None, options: SharedOptions, launch: Launch) -> dict[str, Any]:
    endpoints = [{"endpoint": {"address": _address(endpoint)}} for endpoint in service.endpoints]
    breakers = {"circuit_breakers": {"thresholds": [dict.fromkeys(BREAKERS, limit)]}}
    return {
        "name": service.name,
        "type": "STATIC",
        "connect_timeout": f"{CONNECT_TIMEOUT_S}s",
        **({} if limit is None else breakers),
        **_buffer(options),
        **(_ONE_REQUEST_EACH if options.keepalive_upstream == 0 else {}),
        **_tls_upstream(launch.topology.ca),
        "load_assignment": {"cluster_name": service.name, "endpoints": [{"lb_endpoints": endpoints}]},
    }


def _address(address: Address) -> dict[str, Any]:
    return {"socket_address": {"address": address.host, "port_value": address.port}}
