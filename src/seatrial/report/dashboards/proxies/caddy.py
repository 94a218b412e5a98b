"""Caddy, by its own metrics: it counts requests, and no connections."""

from __future__ import annotations

from seatrial.report.dashboards.go import runtime
from seatrial.report.dashboards.panels import Dashboard, Panel, Query, Row
from seatrial.report.dashboards.promql import MOMENTS, OF_CASE, of_targets, per_second, quantile, total

_BY = "system, member, instance"
_NAMED = "{{system}} {{member}} {{instance}}"
_SERVER = f"{_BY}, server, handler"
_SERVER_NAMED = f"{_NAMED} {{{{server}}}} {{{{handler}}}}"

_CLIENTS = Row(
    "Requests",
    (
        Panel(
            "Answers by status",
            "reqps",
            "Requests that were answered, by status and handler. 502 to 504 are Caddy's own as a rule.",
            (
                Query(
                    per_second(f"caddy_http_request_duration_seconds_count{{{OF_CASE}}}", f"{_SERVER}, code"),
                    f"{_SERVER_NAMED} {{{{code}}}}",
                ),
            ),
            is_stacked=True,
        ),
        Panel(
            "Requests now",
            "short",
            "Requests that wait for an answer. A climb: what is behind does not keep up.",
            (Query(total(f"caddy_http_requests_in_flight{{{OF_CASE}}}", _SERVER), _SERVER_NAMED),),
        ),
        Panel(
            "Time of requests",
            "s",
            "Until the answer was written, as Caddy counts it, in buckets from 5 ms up. A p50 below that is a "
            "guess: see the load.",
            tuple(
                Query(
                    quantile(share, f"caddy_http_request_duration_seconds_bucket{{{OF_CASE}}}", _SERVER),
                    f"{_SERVER_NAMED} {name}",
                )
                for share, name in ((0.5, "p50"), (0.99, "p99"))
            ),
        ),
        Panel(
            "Mean times",
            "s",
            "Exact, where the quantiles are not: until the first byte of an answer, and until its last.",
            tuple(
                Query(
                    f"{per_second(f'caddy_http_{name}_duration_seconds_sum{{{OF_CASE}}}', _SERVER)} / "
                    f"{per_second(f'caddy_http_{name}_duration_seconds_count{{{OF_CASE}}}', _SERVER)}",
                    f"{_SERVER_NAMED} {words}",
                )
                for name, words in (("response", "first byte"), ("request", "last byte"))
            ),
        ),
        Panel(
            "Bytes",
            "Bps",
            "What clients send and are sent.",
            (
                Query(
                    per_second(f"caddy_http_request_size_bytes_sum{{{OF_CASE}}}", _BY), f"{_NAMED} received"
                ),
                Query(per_second(f"caddy_http_response_size_bytes_sum{{{OF_CASE}}}", _BY), f"{_NAMED} sent"),
            ),
        ),
        Panel(
            "Errors of handlers",
            "reqps",
            "Requests of which a handler could make nothing, as when a service cannot be reached. Anything above 0 "
            "is bad.",
            (Query(per_second(f"caddy_http_request_errors_total{{{OF_CASE}}}", _SERVER), _SERVER_NAMED),),
        ),
    ),
)
_CONFIGURATION = Row(
    "Configuration and services",
    (
        Panel(
            "Services that are healthy",
            "short",
            "1 for each service that Caddy believes to be there, 0 for one that it sends nothing to.",
            (
                Query(
                    f"min by ({_BY}, upstream) (caddy_reverse_proxy_upstreams_healthy{{{OF_CASE}}})",
                    f"{_NAMED} {{{{upstream}}}}",
                ),
            ),
        ),
        Panel(
            "The last configuration was taken",
            "short",
            "1 where the last configuration that Caddy was given is in force; at 0 it runs the one before.",
            (Query(f"min by ({_BY}) (caddy_config_last_reload_successful{{{OF_CASE}}})", _NAMED),),
        ),
        Panel(
            "Since the last reload",
            "s",
            "How long ago that was. With each configuration Caddy begins its counters anew.",
            (
                Query(
                    f"time() - max by ({_BY}) (caddy_config_last_reload_success_timestamp_seconds{{{OF_CASE}}})",
                    _NAMED,
                ),
            ),
        ),
    ),
)
CADDY = Dashboard(
    "caddy",
    "Caddy",
    "What Caddy says of itself at /metrics of its admin address. It does not count connections: those are in the "
    "dashboard of the load.",
    of_targets("caddy_config_last_reload_successful"),
    MOMENTS,
    (_CLIENTS, _CONFIGURATION, runtime("caddy_config_last_reload_successful", _NAMED, OF_CASE)),
)
