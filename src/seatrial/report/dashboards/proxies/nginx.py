"""nginx, from outside: its own page (stub_status) is not in Prometheus's format, and has seven numbers."""

from __future__ import annotations

from seatrial.report.dashboards.panels import Dashboard, Panel, Query, Row
from seatrial.report.dashboards.promql import MOMENTS, OF_TRIAL, TRIALS, WINDOW, per_second, quantile, total

_CASE = "system, case"
_NAMED = "{{system}} {{case}}"
_MEMBER = "system, case, member"
_MEMBER_NAMED = f"{_NAMED} {{{{member}}}}"

_CLIENTS = Row(
    "As its clients see it",
    (
        Panel(
            "Connections",
            "short",
            "Connections that the load has to it. Held ones that become fewer were closed by nginx: see "
            "worker_connections, keepalive_timeout and keepalive_requests.",
            (
                Query(
                    total(f"seatrial_connections{{{OF_TRIAL}}}", f"{_CASE}, state"), f"{_NAMED} {{{{state}}}}"
                ),
            ),
        ),
        Panel(
            "Connections opened again",
            "cps",
            "Connections that took the place of one that had ended. 0 is good; by itself nginx ends each after 1000 "
            "requests.",
            (Query(per_second(f"seatrial_connections_reconnected_total{{{OF_TRIAL}}}", _CASE), _NAMED),),
        ),
        Panel(
            "Answers by status",
            "reqps",
            "Its answers. 502 and 504 are nginx's own, 499 is none that a client sees.",
            (
                Query(
                    per_second(f"seatrial_responses_total{{{OF_TRIAL}}}", f"{_CASE}, status"),
                    f"{_NAMED} {{{{status}}}}",
                ),
            ),
            is_stacked=True,
        ),
        Panel(
            "Service time",
            "s",
            "From the actual send to the last byte: nginx and what is behind it, over the window.",
            tuple(
                Query(
                    quantile(share, f"seatrial_service_time_seconds_bucket{{{OF_TRIAL}}}", _CASE),
                    f"{_NAMED} {name}",
                )
                for share, name in ((0.5, "p50"), (0.99, "p99"))
            ),
        ),
        Panel(
            "Errors by kind",
            "cps",
            "Of requests and of connections. Resets at the ramp: a listen queue was full, or worker_connections were.",
            (
                Query(
                    per_second(f"seatrial_errors_total{{{OF_TRIAL}}}", f"{_CASE}, kind"),
                    f"{_NAMED} {{{{kind}}}}",
                ),
            ),
        ),
    ),
)
_PROCESS = Row(
    "Its processes",
    (
        Panel(
            "CPU",
            "short",
            "Cores that each member uses. Near the number of its worker processes, it is full.",
            (
                Query(
                    f'sum by ({_MEMBER}) (rate(seatrial_role_cpu_seconds_total{{{OF_TRIAL},role="system"}}{WINDOW}))',
                    _MEMBER_NAMED,
                ),
            ),
        ),
        Panel(
            "Memory",
            "bytes",
            "Memory of each member. It grows with connections, and not with time.",
            (
                Query(
                    total(f'seatrial_role_memory_bytes{{{OF_TRIAL},role="system"}}', _MEMBER), _MEMBER_NAMED
                ),
            ),
        ),
    ),
)
NGINX = Dashboard(
    "nginx",
    "nginx",
    "nginx as its clients and its kernel see it, from what `seatrial run --metrics` exposes: choose the system "
    "above. Prometheus cannot scrape nginx itself without an exporter beside it.",
    TRIALS,
    MOMENTS,
    (_CLIENTS, _PROCESS),
)
