"""What an objective may be about of a discoverer: times, and counts of what should not be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMES: Final[Mapping[str, str]] = {
    "discovered_first": "until the first of the services that were there was replicated, from the discoverer's start",
    "discovered_all": "until the last of the services that were there was replicated, from the discoverer's start",
    "discovered_new": "until one service that was added at the source was replicated, of the samples the slowest",
    "discovered_update": "until one service that was changed there was replicated, of the samples the slowest",
    "discovered_delete": "until one service that was deleted there was gone, of the samples the slowest",
    "discovered_in_storm": "until a service was replicated that was added while another namespace was emptied",
}
"""Times until an object of the destination is as its service at the source is."""

NOT_DISCOVERED, IDLE_WRITES, QUEUE_LEFT = "not_discovered", "idle_writes", "queue_left"
QUEUE_PEAK, UNACCOUNTED, CALLS_PER_CHANGE = "queue_peak", "unaccounted", "calls_per_change"
RELAPSES = "relapses"
COUNTS: Final[Mapping[str, str]] = {
    NOT_DISCOVERED: "services whose replicas were not as the source has them once they had had their time, in any "
    "step: not there, of before a change, or there though deleted",
    RELAPSES: "how often a service was as the source has it, and then was not, though nothing had changed there",
    IDLE_WRITES: "writes of the discoverer to the destination while nothing changed at the source",
    QUEUE_LEFT: "items that its queue still had by its own gauge at the end, when there was nothing left to do",
    QUEUE_PEAK: "the most items that its queue had at any look, by its own gauge",
    UNACCOUNTED: "items that it enqueued, and by its own counters neither did nor dropped, nor has in its queue",
}
FIGURES: Final[Mapping[str, str]] = {
    CALLS_PER_CHANGE: "calls of the discoverer to the destination for each service of the first discovery, no watches"
}
"""What is no whole number."""
OF_DISCOVERY: Final = frozenset({*TIMES, *COUNTS, *FIGURES})
OF_OWN_COUNT: Final = frozenset({QUEUE_LEFT, QUEUE_PEAK, UNACCOUNTED})
"""What only the discoverer's own page says, if it has one."""
