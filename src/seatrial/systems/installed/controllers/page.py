"""What a controller says of itself on its metrics page: numbers that every Go program has, and those of its work.

Names are those of Prometheus's Go and process collectors, of controller-runtime's work queues, and of Contour's and
Envoy Gateway's own counters. Everything is added up over labels: which object it was about is not asked.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SAID: Mapping[str, str] = {
    "go_goroutines": "goroutines",
    "go_memstats_heap_inuse_bytes": "heap_bytes",
    "process_cpu_seconds_total": "cpu_s",
    # Of controller-runtime, and of Envoy Gateway's own queues between its parts.
    "workqueue_depth": "queue_depth",
    "watchable_depth": "queue_depth",
    # Of Contour, and of Envoy Gateway.
    "contour_status_update_total": "status_updates",
    "status_update_total": "status_updates",
    "contour_dagrebuild_total": "rebuilds",
    "xds_snapshot_create_total": "rebuilds",
}
"""Series by name, each with what it is called here."""


def said_in(page: str) -> Mapping[str, float]:
    """Return what a page in Prometheus's text format says, by the names used here; what it does not say is left out."""
    found: defaultdict[str, float] = defaultdict(float)
    for line in page.splitlines():
        name = line.partition("{")[0].partition(" ")[0]
        if (called := SAID.get(name)) is not None:
            found[called] += float(line.rpartition(" ")[2])
    return dict(found)
