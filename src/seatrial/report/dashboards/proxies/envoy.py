"""Envoy, by its own statistics; those of its admin pages and of listeners that controllers add are left out."""

from __future__ import annotations

from seatrial.report.dashboards.panels import Dashboard, Panel, Query, Row
from seatrial.report.dashboards.promql import MOMENTS, OF_CASE, of_targets, per_second, quantile, total

_BY = "system, member, instance"
_NAMED = "{{system}} {{member}} {{instance}}"
_HTTP = f'{OF_CASE},envoy_http_conn_manager_prefix!~".*admin|stats|async-client|eg-(ready|stats)-http|seatrial_status"'
_CLUSTER = "envoy_cluster_name"


def _http(name: str, words: str) -> Query:
    return Query(per_second(f"envoy_http_{name}{{{_HTTP}}}", _BY), f"{_NAMED} {words}")


def _clusters(name: str, words: str) -> Query:
    return Query(
        per_second(f"envoy_cluster_{name}{{{OF_CASE}}}", f"{_BY}, {_CLUSTER}"),
        f"{_NAMED} {{{{{_CLUSTER}}}}} {words}",
    )


def _each(name: str, words: str) -> Query:
    return Query(total(f"{name}{{{OF_CASE}}}", _BY), f"{_NAMED} {words}")


_DOWNSTREAM = Row(
    "Downstream: clients",
    (
        Panel(
            "Connections",
            "short",
            "Connections of clients now. It should be what the load holds, and stay so: the number beside is "
            "Seatrial's own.",
            (Query(total(f"envoy_http_downstream_cx_active{{{_HTTP}}}", _BY), _NAMED),),
        ),
        Panel(
            "Connections that come and go",
            "cps",
            "Opened and ended connections. Those that Envoy ended itself while a request was active are errors to a "
            "client.",
            (
                _http("downstream_cx_total", "opened"),
                _http("downstream_cx_destroy_remote", "ended by clients"),
                _http("downstream_cx_destroy_local", "ended by Envoy"),
                _http("downstream_cx_destroy_local_active_rq", "ended by Envoy, with requests"),
            ),
        ),
        Panel(
            "Requests by class of status",
            "reqps",
            "Answers that Envoy gave, by class. 5xx are its own as well as those of the services behind.",
            (
                Query(
                    per_second(
                        f"envoy_http_downstream_rq_xx{{{_HTTP}}}", f"{_BY}, envoy_response_code_class"
                    ),
                    f"{_NAMED} {{{{envoy_response_code_class}}}}xx",
                ),
            ),
            is_stacked=True,
        ),
        Panel(
            "Time of requests",
            "ms",
            "From the first byte of a request to the last of its answer, as Envoy counts it, to a bucket's width. "
            "What clients see is this and all before it: see the load.",
            tuple(
                Query(
                    quantile(share, f"envoy_http_downstream_rq_time_bucket{{{_HTTP}}}", _BY),
                    f"{_NAMED} {name}",
                )
                for share, name in ((0.5, "p50"), (0.99, "p99"))
            ),
        ),
        Panel(
            "Requests now",
            "short",
            "Requests that wait for an answer, downstream. A climb: what is behind does not keep up.",
            (Query(total(f"envoy_http_downstream_rq_active{{{_HTTP}}}", _BY), _NAMED),),
        ),
        Panel(
            "Bytes",
            "Bps",
            "What clients send and are sent.",
            (
                _http("downstream_cx_rx_bytes_total", "received"),
                _http("downstream_cx_tx_bytes_total", "sent"),
            ),
        ),
    ),
)
_UPSTREAM = Row(
    "Upstream: services",
    (
        Panel(
            "Connections by cluster",
            "short",
            "Connections to the services. As many as requests at a time, not as clients; more at each step: "
            "keep-alive is off.",
            (
                Query(
                    total(f"envoy_cluster_upstream_cx_active{{{OF_CASE}}}", f"{_BY}, {_CLUSTER}"),
                    f"{_NAMED} {{{{{_CLUSTER}}}}}",
                ),
            ),
        ),
        Panel(
            "Requests by cluster",
            "reqps",
            "Requests that were sent to services. More than came in: retries.",
            (_clusters("upstream_rq_total", "sent"), _clusters("upstream_rq_retry", "retries")),
        ),
        Panel(
            "Time of requests upstream",
            "ms",
            "Envoy's part is what lies between this and the time downstream.",
            (
                Query(
                    quantile(
                        0.99, f"envoy_cluster_upstream_rq_time_bucket{{{OF_CASE}}}", f"{_BY}, {_CLUSTER}"
                    ),
                    f"{_NAMED} {{{{{_CLUSTER}}}}} p99",
                ),
            ),
        ),
        Panel(
            "Failures upstream",
            "cps",
            "Connections that could not be made, timeouts and resets of requests. Anything above 0 is bad.",
            (
                _clusters("upstream_cx_connect_fail", "connects failed"),
                _clusters("upstream_cx_connect_timeout", "connects timed out"),
                _clusters("upstream_rq_timeout", "requests timed out"),
                _clusters("upstream_rq_rx_reset", "reset by the service"),
            ),
        ),
        Panel(
            "Endpoints",
            "short",
            "Endpoints that a cluster has, and those that it believes to be healthy.",
            (
                _each("envoy_cluster_membership_total", "all"),
                _each("envoy_cluster_membership_healthy", "healthy"),
            ),
        ),
    ),
)
_LIMITS = Row(
    "Limits that were hit",
    (
        Panel(
            "Circuit breakers that are open",
            "short",
            "1 where a cluster's limit is reached now: of connections, of requests, of those that wait. Envoy then "
            "answers 503 itself.",
            (
                _each("envoy_cluster_circuit_breakers_default_cx_open", "connections"),
                _each("envoy_cluster_circuit_breakers_default_rq_open", "requests"),
                _each("envoy_cluster_circuit_breakers_default_rq_pending_open", "pending requests"),
            ),
        ),
        Panel(
            "Overflows",
            "cps",
            "What was turned away because a limit was reached: of the cluster, of a listener, or of the whole process.",
            (
                _clusters("upstream_cx_overflow", "connections"),
                _clusters("upstream_rq_pending_overflow", "pending requests"),
                Query(
                    per_second(f"envoy_listener_downstream_cx_overflow{{{OF_CASE}}}", _BY),
                    f"{_NAMED} listener",
                ),
                Query(
                    per_second(f"envoy_listener_downstream_global_cx_overflow{{{OF_CASE}}}", _BY),
                    f"{_NAMED} process",
                ),
            ),
        ),
        Panel(
            "Overload manager",
            "cps",
            "Connections refused and keep-alive given up for want of memory or descriptors. Any is bad.",
            (
                Query(
                    per_second(f"envoy_listener_downstream_cx_overload_reject{{{OF_CASE}}}", _BY),
                    f"{_NAMED} refused",
                ),
                _http("downstream_cx_overload_disable_keepalive", "keep-alive given up"),
            ),
        ),
        Panel(
            "Watchdog misses",
            "cps",
            "Threads that did not come back to their loop within 200 ms: each is in the tail of latencies.",
            (
                Query(
                    per_second(f"envoy_server_worker_watchdog_miss{{{OF_CASE}}}", _BY), f"{_NAMED} workers"
                ),
                Query(
                    per_second(f"envoy_server_main_thread_watchdog_miss{{{OF_CASE}}}", _BY),
                    f"{_NAMED} main thread",
                ),
            ),
        ),
    ),
)
_PROCESS = Row(
    "Process",
    (
        Panel(
            "Memory",
            "bytes",
            "What Envoy has allocated, its heap, and what of that is resident. A climb while connections stay is a "
            "leak, or buffers.",
            (
                _each("envoy_server_memory_allocated", "allocated"),
                _each("envoy_server_memory_heap_size", "heap"),
                _each("envoy_server_memory_physical_size", "resident"),
            ),
        ),
        Panel(
            "Worker threads",
            "short",
            "Worker threads (`concurrency`). By itself Envoy takes one for each CPU that it sees: more than its pod "
            "may use are no gain.",
            (_each("envoy_server_concurrency", ""),),
        ),
        Panel(
            "Uptime",
            "s",
            "Since it started. Where it falls to 0, Envoy was started again, and its counters began anew.",
            (Query(f"max by ({_BY}) (envoy_server_uptime{{{OF_CASE}}})", _NAMED),),
        ),
    ),
)
_PUSHES = Row(
    "Configuration from a controller (xDS)",
    (
        Panel(
            "Updates taken",
            "cps",
            "Clusters, listeners and routes that Envoy took. Many for one change: the controller sends more than it "
            "has to.",
            (
                Query(
                    per_second(f"envoy_cluster_manager_cds_update_success{{{OF_CASE}}}", _BY),
                    f"{_NAMED} clusters",
                ),
                Query(
                    per_second(f"envoy_listener_manager_lds_update_success{{{OF_CASE}}}", _BY),
                    f"{_NAMED} listeners",
                ),
                Query(per_second(f"envoy_http_rds_update_success{{{OF_CASE}}}", _BY), f"{_NAMED} routes"),
            ),
        ),
        Panel(
            "Updates refused",
            "cps",
            "What Envoy refused, or could not fetch: it then runs what it had before. Any is bad.",
            (
                Query(
                    per_second(f"envoy_cluster_manager_cds_update_rejected{{{OF_CASE}}}", _BY),
                    f"{_NAMED} clusters",
                ),
                Query(
                    per_second(f"envoy_listener_manager_lds_update_rejected{{{OF_CASE}}}", _BY),
                    f"{_NAMED} listeners",
                ),
                Query(per_second(f"envoy_http_rds_update_rejected{{{OF_CASE}}}", _BY), f"{_NAMED} routes"),
                Query(
                    per_second(f"envoy_http_rds_update_failure{{{OF_CASE}}}", _BY), f"{_NAMED} routes not had"
                ),
            ),
        ),
        Panel(
            "Connected to its controller",
            "short",
            "1 while the stream to the controller stands. At 0 Envoy goes on with what it has, and no change gets "
            "through.",
            (
                Query(
                    f"min by ({_BY}) (envoy_cluster_manager_cds_control_plane_connected_state{{{OF_CASE}}})",
                    _NAMED,
                ),
            ),
        ),
        Panel(
            "Clusters and listeners",
            "short",
            "How much Envoy has been configured with, and what is warming: not used yet for want of its endpoints "
            "or certificates.",
            (
                _each("envoy_cluster_manager_active_clusters", "clusters"),
                _each("envoy_cluster_manager_warming_clusters", "clusters warming"),
                _each("envoy_listener_manager_total_listeners_active", "listeners"),
                _each("envoy_listener_manager_total_listeners_draining", "listeners draining"),
            ),
        ),
    ),
)
ENVOY = Dashboard(
    "envoy",
    "Envoy",
    "What Envoy says of itself at /stats/prometheus of its admin address.",
    of_targets("envoy_server_live"),
    MOMENTS,
    (_DOWNSTREAM, _UPSTREAM, _LIMITS, _PROCESS, _PUSHES),
)
