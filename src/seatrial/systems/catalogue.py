"""What each kind of system calls what it counts, by version: the one place where these names are written down.

A name that a system does not have is never a zero: what it would have said is then not known, and that is remarked.
Sources: the systems' own documentation and pages; ``tests/local/test_systems.py`` holds those of the versions here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Says = Literal["requests", "upstream_requests", "connections_accepted", "connections_active"]
"""What every system counts under some name, if it does."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A name in the values that a system's page is read to; ``labels`` are those that tell its series from others.

    ``since`` and ``until`` are the versions that call it so, the last one too; empty is "all that are known".
    """

    says: Says
    name: str
    labels: str = ""
    since: str = ""
    until: str = ""

    def is_in(self, values: Mapping[str, float]) -> bool:
        """Return whether a page has it."""
        if not self.labels and self.name in values:
            return True
        return any(
            series.partition("{")[0] == self.name and all(label in series for label in self.labels.split(","))
            for series in values
        )


# Of /stats, with the stat prefix, and those of all clusters as one. Envoy leaves out what it never used.
ENVOY = (
    Metric("requests", "http.ingress.downstream_rq_total"),
    Metric("upstream_requests", "cluster.upstream_rq_total"),
    Metric("connections_accepted", "http.ingress.downstream_cx_total"),
    Metric("connections_active", "http.ingress.downstream_cx_active"),
)
# Columns of `show stat`.
HAPROXY = (
    Metric("requests", "frontend.req_tot"),
    Metric("upstream_requests", "backend.lbtot"),
    Metric("connections_accepted", "frontend.conn_tot", since="1.7"),
    Metric("connections_active", "frontend.scur"),
)
TRAEFIK = (
    Metric("requests", "traefik_entrypoint_requests_total", 'entrypoint="ingress"'),
    Metric("upstream_requests", "traefik_service_requests_total", since="2.0"),
)
CADDY = (
    Metric(
        "requests",
        "caddy_http_request_duration_seconds_count",
        'handler="reverse_proxy",server="ingress"',
        since="2.4",
    ),
)
# Of stub_status, by its words; without it the lines of a log are counted, which has no names.
NGINX = (
    Metric("requests", "requests"),
    Metric("connections_accepted", "accepts"),
    Metric("connections_active", "active"),
)


def absent(metrics: Iterable[Metric], values: Mapping[str, float]) -> dict[Says, str]:
    """Return what a page does not say, with the names that were looked for; a name of any version will do."""
    looked_for: dict[Says, list[str]] = {}
    found: set[Says] = set()
    for metric in metrics:
        looked_for.setdefault(metric.says, []).append(metric.name)
        if metric.is_in(values):
            found.add(metric.says)
    return {says: " or ".join(names) for says, names in looked_for.items() if says not in found}
