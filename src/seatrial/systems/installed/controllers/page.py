"""What a controller says of itself on its metrics page: numbers that every Go program has, and those of its work.

Names are those of Prometheus's Go and process collectors, of controller-runtime's work queues, and of Contour's and
Envoy Gateway's own counters. Everything is added up over labels: which object it was about is not asked.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SAID: Mapping[str, tuple[str, str, int]] = {
    "go_goroutines": ("goroutines", "", 1),
    "go_memstats_heap_inuse_bytes": ("heap_bytes", "", 1),
    # Of controller-runtime, and of Envoy Gateway's own queues between its parts.
    "workqueue_depth": ("queue_depth", "", 1),
    "watchable_depth": ("queue_depth", "", 1),
    # Statuses that were written: Contour counts as a success, too, what it found as it should be.
    "contour_status_update_success_total": ("status_updates", "", 1),
    "contour_status_update_noop_total": ("status_updates", "", -1),
    "status_update_total": ("status_updates", 'status="success"', 1),
    "contour_dagrebuild_total": ("rebuilds", "", 1),
    "xds_snapshot_create_total": ("rebuilds", "", 1),
}
"""Series by name: what each is called here, the label that counts where not all do, and whether it is added or taken
away."""


def said_in(page: str) -> Mapping[str, float]:
    """Return what a page in Prometheus's text format says, by the names used here; what it does not say is left out."""
    found: defaultdict[str, float] = defaultdict(float)
    for line in page.splitlines():
        called, label, sign = SAID.get(line.partition("{")[0].partition(" ")[0], ("", "", 0))
        if called and label in line:
            found[called] += sign * float(line.rpartition(" ")[2])
    return dict(found)
