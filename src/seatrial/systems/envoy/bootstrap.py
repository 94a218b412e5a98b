"""Envoy's static bootstrap: one HTTP/1.1 listener, a cluster for each service, an admin port on loopback.

What is not set here stays Envoy's default, so that the proxy measured is the one that people run. Worth
knowing: the per-connection buffer limit is 1 MiB each way, request ids are generated, nothing is retried, an
upstream connection serves any number of requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seatrial.machine.address import Address
    from seatrial.systems.base import Launch
    from seatrial.systems.certificate import Certificate
    from seatrial.systems.local.dialect import Ports
    from seatrial.topology.expand import Route, Service, Topology

STAT_PREFIX = "ingress"
LISTENER = "ingress"
CIRCUIT_BREAKERS_LEAST = 50_000
"""The procedure raises them to this; Envoy's own default of 1,024 would be measured instead of the proxy."""
BACKLOG = 65_535
CONNECT_TIMEOUT_S = 5

_EXTENSIONS = "type.googleapis.com/envoy.extensions"


def bootstrap(launch: Launch, ports: Ports) -> dict[str, Any]:
    """Return the configuration as Envoy reads it from JSON."""
    return {
        "admin": {"address": _address(ports.status)},
        "static_resources": {
            "listeners": [_listener(ports.listen, launch)],
            "clusters": [_cluster(service, launch.max_connections) for service in launch.topology.services],
        },
    }


def _listener(listen: Address, launch: Launch) -> dict[str, Any]:
    return {
        "name": LISTENER,
        "stat_prefix": LISTENER,
        "address": _address(listen),
        "tcp_backlog_size": BACKLOG,
        "filter_chains": [{"filters": [_connection_manager(launch.topology)], **_tls(launch.certificate)}],
    }


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


def _connection_manager(topology: Topology) -> dict[str, Any]:
    router = {"@type": f"{_EXTENSIONS}.filters.http.router.v3.Router"}
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": STAT_PREFIX,
            "codec_type": "HTTP1",
            # The edge of a cluster sees its clients directly.
            "use_remote_address": True,
            # Held connections stay silent for as long as the trial takes.
            "common_http_protocol_options": {"idle_timeout": "0s"},
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


def _cluster(service: Service, max_connections: int) -> dict[str, Any]:
    endpoints = [{"endpoint": {"address": _address(endpoint)}} for endpoint in service.endpoints]
    limit = max(CIRCUIT_BREAKERS_LEAST, max_connections)
    names = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    return {
        "name": service.name,
        "type": "STATIC",
        "connect_timeout": f"{CONNECT_TIMEOUT_S}s",
        "circuit_breakers": {"thresholds": [dict.fromkeys(names, limit)]},
        "load_assignment": {"cluster_name": service.name, "endpoints": [{"lb_endpoints": endpoints}]},
    }


def _address(address: Address) -> dict[str, Any]:
    return {"socket_address": {"address": address.host, "port_value": address.port}}
