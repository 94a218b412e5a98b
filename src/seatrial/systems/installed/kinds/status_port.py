"""A listener of an Envoy in a pod through which its admin interface is read, and nothing of it changed.

A pod's own loopback, or a socket in it, is not reached through the API server; the whole admin interface on a port of
the pod would let every other pod end the proxy (``/quitquitquit``).
"""

from __future__ import annotations

from typing import Any

STATUS_PORT = 9002
STAT_PREFIX = "seatrial_status"
PAGES = ("/stats", "/stats/prometheus", "/clusters", "/config_dump", "/server_info", "/ready", "/runtime")
"""Those that only tell; each by its whole path, so that ``/runtime_modify`` is not one of them."""
_EXTENSIONS = "type.googleapis.com/envoy.extensions.filters"


def status_listener(admin_cluster: str) -> dict[str, Any]:
    """Return a bootstrap of nothing but this listener, to be merged; the cluster is that of the admin interface."""
    reading = [{"name": ":method", "string_match": {"exact": "GET"}}]
    # The longest page is that of ten thousand routes.
    routes = [
        {
            "match": {"path": page, "headers": reading},
            "route": {"cluster": admin_cluster, "timeout": "120s"},
        }
        for page in PAGES
    ]
    router = {"@type": f"{_EXTENSIONS}.http.router.v3.Router", "suppress_envoy_headers": True}
    manager = {
        "@type": f"{_EXTENSIONS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": STAT_PREFIX,
        "codec_type": "HTTP1",
        "route_config": {
            "name": STAT_PREFIX,
            "virtual_hosts": [{"name": STAT_PREFIX, "domains": ["*"], "routes": routes}],
        },
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    listener = {
        "name": STAT_PREFIX,
        "stat_prefix": STAT_PREFIX,
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": STATUS_PORT}},
        # Its connections are nobody's load.
        "ignore_global_conn_limit": True,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
    return {"static_resources": {"listeners": [listener]}}
