"""HAProxy, by its own exporter; the frontend that serves the exporter's page for Seatrial is left out."""

from __future__ import annotations

from seatrial.report.dashboards.panels import Dashboard, Panel, Query, Row
from seatrial.report.dashboards.promql import MOMENTS, OF_CASE, of_targets, per_second, total

_BY = "system, member, instance"
_NAMED = "{{system}} {{member}} {{instance}}"
_FRONTEND = f'{OF_CASE},proxy!~"seatrial_.*|stats"'


def _process(name: str, words: str = "") -> Query:
    return Query(total(f"haproxy_process_{name}{{{OF_CASE}}}", _BY), f"{_NAMED} {words}")


def _proxy(name: str, words: str = "") -> Query:
    return Query(total(f"haproxy_{name}{{{_FRONTEND}}}", f"{_BY}, proxy"), f"{_NAMED} {{{{proxy}}}} {words}")


def _rate(name: str, words: str = "") -> Query:
    return Query(
        per_second(f"haproxy_{name}{{{_FRONTEND}}}", f"{_BY}, proxy"), f"{_NAMED} {{{{proxy}}}} {words}"
    )


_CLIENTS = Row(
    "Frontends: clients",
    (
        Panel(
            "Sessions",
            "short",
            "Sessions of clients now, and how many a frontend may have. Where they meet, connections wait in the "
            "kernel, unseen here.",
            (_proxy("frontend_current_sessions", "now"), _proxy("frontend_limit_sessions", "limit")),
        ),
        Panel(
            "Connections opened",
            "cps",
            "Connections of clients that came.",
            (_rate("frontend_connections_total"),),
        ),
        Panel(
            "Requests",
            "reqps",
            "Requests that came. It should be what the load sends.",
            (_rate("frontend_http_requests_total"),),
        ),
        Panel(
            "Answers by class of status",
            "reqps",
            "Answers, by class. 5xx are HAProxy's own as well as those of the servers behind.",
            (
                Query(
                    per_second(f"haproxy_frontend_http_responses_total{{{_FRONTEND}}}", f"{_BY}, code"),
                    f"{_NAMED} {{{{code}}}}",
                ),
            ),
            is_stacked=True,
        ),
        Panel(
            "Requests that were refused or broken",
            "reqps",
            "Requests that were denied by a rule, or were no requests. Anything above 0 is bad.",
            (
                _rate("frontend_requests_denied_total", "denied"),
                _rate("frontend_request_errors_total", "broken"),
                _rate("frontend_denied_connections_total", "connections denied"),
            ),
        ),
        Panel(
            "Bytes",
            "Bps",
            "What clients send and are sent.",
            (_rate("frontend_bytes_in_total", "received"), _rate("frontend_bytes_out_total", "sent")),
        ),
    ),
)
_SERVERS = Row(
    "Backends: servers",
    (
        Panel(
            "Queue",
            "short",
            "Requests that wait for a server, for all have as many as they may. Above 0, the wait is in the latency.",
            (_proxy("backend_current_queue"),),
        ),
        Panel(
            "Times, over the last 1024 requests",
            "s",
            "Means: in the queue, until connected, until the first byte, and of the whole. Means hide a tail: see "
            "the load for that.",
            tuple(
                Query(
                    f"haproxy_backend_{name}_time_average_seconds{{{_FRONTEND}}}",
                    f"{_NAMED} {{{{proxy}}}} {name}",
                )
                for name in ("queue", "connect", "response", "total")
            ),
        ),
        Panel(
            "Failures",
            "cps",
            "Connections that could not be made, broken answers, retries, and servers that gave up. Anything above "
            "0 is bad.",
            (
                _rate("backend_connection_errors_total", "connects failed"),
                _rate("backend_response_errors_total", "broken answers"),
                _rate("backend_retry_warnings_total", "retries"),
                _rate("backend_server_aborts_total", "aborts of servers"),
            ),
        ),
        Panel(
            "Connections to servers",
            "cps",
            "Connections that were made, and uses of one that was there. Many made at a steady rate: keep-alive is "
            "off.",
            (
                _rate("backend_connection_attempts_total", "made"),
                _rate("backend_connection_reuses_total", "used again"),
            ),
        ),
        Panel(
            "Servers",
            "short",
            "Servers that may be sent requests.",
            (_proxy("backend_active_servers"),),
        ),
        Panel(
            "Answers of backends by class",
            "reqps",
            "What the servers answered: 5xx here are theirs, the rest of those of the frontends is HAProxy's.",
            (
                Query(
                    per_second(f"haproxy_backend_http_responses_total{{{_FRONTEND}}}", f"{_BY}, code"),
                    f"{_NAMED} {{{{code}}}}",
                ),
            ),
            is_stacked=True,
        ),
    ),
)
_PROCESS = Row(
    "Process",
    (
        Panel(
            "Connections and the limit",
            "short",
            "Connections of the process, clients' only, and how many it may have (maxconn). At the limit nobody is "
            "let in.",
            (_process("current_connections", "now"), _process("max_connections", "limit")),
        ),
        Panel(
            "Idle time",
            "percent",
            "Share of the last second in which threads waited for something to do. Near 0 the process is full.",
            (_process("idle_time_percent"),),
        ),
        Panel(
            "Run queue and tasks",
            "short",
            "Tasks that want to run now, and all there are. A run queue that does not empty is a process that is full.",
            (_process("current_run_queue", "run queue"), _process("current_tasks", "tasks")),
        ),
        Panel(
            "Memory of pools",
            "bytes",
            "What HAProxy's own pools have had from the system, and what of it is in use.",
            (_process("pool_allocated_bytes", "allocated"), _process("pool_used_bytes", "used")),
        ),
        Panel(
            "Failures of pools, and lost log lines",
            "cps",
            "Allocations that failed, and log lines that were dropped. Anything above 0 is bad.",
            (
                Query(
                    per_second(f"haproxy_process_pool_failures_total{{{OF_CASE}}}", _BY),
                    f"{_NAMED} allocations",
                ),
                Query(
                    per_second(f"haproxy_process_dropped_logs_total{{{OF_CASE}}}", _BY), f"{_NAMED} log lines"
                ),
            ),
        ),
        Panel(
            "Uptime",
            "s",
            "Since the worker started. HAProxy reloads by a new one: where it falls to 0, the configuration changed.",
            (Query(f"max by ({_BY}) (haproxy_process_uptime_seconds{{{OF_CASE}}})", _NAMED),),
        ),
    ),
)
HAPROXY = Dashboard(
    "haproxy",
    "HAProxy",
    "What HAProxy says of itself at the page of its own Prometheus exporter, which most builds have.",
    of_targets("haproxy_process_nbthread"),
    MOMENTS,
    (_CLIENTS, _SERVERS, _PROCESS),
)
