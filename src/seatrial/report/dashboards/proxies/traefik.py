"""Traefik, by its own metrics, of version 3."""

from __future__ import annotations

from seatrial.report.dashboards.go import runtime
from seatrial.report.dashboards.panels import Dashboard, Panel, Query, Row
from seatrial.report.dashboards.promql import MOMENTS, OF_CASE, of_targets, per_second, quantile, total

_BY = "system, member, instance"
_NAMED = "{{system}} {{member}} {{instance}}"
_ENTRY = f'{OF_CASE},entrypoint!~"traefik|metrics"'
_ENTRY_NAMED = f"{_NAMED} {{{{entrypoint}}}}"
_SERVICE_NAMED = f"{_NAMED} {{{{service}}}}"

_CLIENTS = Row(
    "Entry points: clients",
    (
        Panel(
            "Connections",
            "short",
            "Connections of clients now, by entry point. It should be what the load holds, and stay so.",
            (Query(total(f"traefik_open_connections{{{_ENTRY}}}", f"{_BY}, entrypoint"), _ENTRY_NAMED),),
        ),
        Panel(
            "Answers by status",
            "reqps",
            "Requests that were answered, by status. 404 and 502 to 504 are Traefik's own as a rule.",
            (
                Query(
                    per_second(f"traefik_entrypoint_requests_total{{{_ENTRY}}}", f"{_BY}, code"),
                    f"{_NAMED} {{{{code}}}}",
                ),
            ),
            is_stacked=True,
        ),
        Panel(
            "Time of requests",
            "s",
            "As Traefik counts it, in buckets of 0.1, 0.3, 1.2 and 5 s unless it is told otherwise: too wide for "
            "most ingresses. See the load for a quantile to rely on.",
            tuple(
                Query(
                    quantile(
                        share,
                        f"traefik_entrypoint_request_duration_seconds_bucket{{{_ENTRY}}}",
                        f"{_BY}, entrypoint",
                    ),
                    f"{_ENTRY_NAMED} {name}",
                )
                for share, name in ((0.5, "p50"), (0.99, "p99"))
            ),
        ),
        Panel(
            "Mean time of requests",
            "s",
            "Exact, where the quantiles are not; a mean hides a tail.",
            (
                Query(
                    f"{per_second(f'traefik_entrypoint_request_duration_seconds_sum{{{_ENTRY}}}', _BY)} / "
                    f"{per_second(f'traefik_entrypoint_request_duration_seconds_count{{{_ENTRY}}}', _BY)}",
                    f"{_NAMED} entry points",
                ),
                Query(
                    f"{per_second(f'traefik_service_request_duration_seconds_sum{{{OF_CASE}}}', _BY)} / "
                    f"{per_second(f'traefik_service_request_duration_seconds_count{{{OF_CASE}}}', _BY)}",
                    f"{_NAMED} services",
                ),
            ),
        ),
        Panel(
            "Bytes",
            "Bps",
            "Bodies that clients send and are sent: heads are not counted.",
            (
                Query(
                    per_second(f"traefik_entrypoint_requests_bytes_total{{{_ENTRY}}}", _BY),
                    f"{_NAMED} received",
                ),
                Query(
                    per_second(f"traefik_entrypoint_responses_bytes_total{{{_ENTRY}}}", _BY), f"{_NAMED} sent"
                ),
            ),
        ),
    ),
)
_SERVICES = Row(
    "Services",
    (
        Panel(
            "Requests by service",
            "reqps",
            "Requests that were sent to services, by status. What an entry point has and no service: Traefik "
            "answered it itself.",
            (
                Query(
                    per_second(f"traefik_service_requests_total{{{OF_CASE}}}", f"{_BY}, service, code"),
                    f"{_SERVICE_NAMED} {{{{code}}}}",
                ),
            ),
        ),
        Panel(
            "Retries",
            "reqps",
            "Requests that were sent again. Traefik does so only where a middleware says so.",
            (
                Query(
                    per_second(f"traefik_service_retries_total{{{OF_CASE}}}", f"{_BY}, service"),
                    _SERVICE_NAMED,
                ),
            ),
        ),
    ),
)
_CONFIGURATION = Row(
    "Configuration",
    (
        Panel(
            "Reloads",
            "cps",
            "Configurations that were taken over. Traefik puts changes together, for 2 s by itself: a route is live "
            "after that.",
            (Query(per_second(f"traefik_config_reloads_total{{{OF_CASE}}}", _BY), _NAMED),),
        ),
        Panel(
            "Since the last reload",
            "s",
            "How long ago the last configuration was taken over. Long, while routes change: it does not get through.",
            (Query(f"time() - max by ({_BY}) (traefik_config_last_reload_success{{{OF_CASE}}})", _NAMED),),
        ),
    ),
)
TRAEFIK = Dashboard(
    "traefik",
    "Traefik",
    "What Traefik says of itself at /metrics.",
    of_targets("traefik_config_reloads_total"),
    MOMENTS,
    (_CLIENTS, _SERVICES, _CONFIGURATION, runtime("traefik_config_reloads_total", _NAMED, OF_CASE)),
)
