"""What a reader wants of a discoverer first, of one trial and over the trials of a case; the unit is in each name."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from seatrial.analysis.discovery.metrics import came_s, discovered_count
from seatrial.analysis.objects import quantile
from seatrial.plan.discovered import CALLS_PER_CHANGE, IDLE_WRITES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from seatrial.analysis.discovery.use import DiscoveryUse

ONE_BY_ONE = ("new", "update", "delete")


def _came(metric: str) -> Callable[[DiscoveryUse], float | None]:
    return lambda use: came_s(metric, use)


def _p50(step: str) -> Callable[[DiscoveryUse], float | None]:
    return lambda use: quantile(samples_s([use], step), 0.5)


def _max(step: str) -> Callable[[DiscoveryUse], float | None]:
    return lambda use: max(samples_s([use], step), default=None)


def _queue(name: str) -> Callable[[DiscoveryUse], float | None]:
    return lambda use: None if use.queue is None else getattr(use.queue, name)


FIGURES: Mapping[str, Callable[[DiscoveryUse], float | None]] = {
    "discovery_services": lambda use: use.services,
    "discovered_first_s": _came("discovered_first"),
    "discovered_all_s": _came("discovered_all"),
    **{
        f"discovered_{step}_s_{name}": read(step)
        for step in ONE_BY_ONE
        for name, read in (("p50", _p50), ("max", _max))
    },
    "discovered_in_storm_s": _came("discovered_in_storm"),
    "not_discovered_services": lambda use: use.missing,
    "idle_writes_count": lambda use: discovered_count(IDLE_WRITES, use),
    "api_calls_per_service": lambda use: discovered_count(CALLS_PER_CHANGE, use),
    "queue_peak_items": _queue("peak"),
    "queue_left_items": _queue("left"),
    "queue_emptied_s": _queue("emptied_s"),
    "queue_drained_items_per_s": _queue("drained_per_s"),
    "queue_enqueued_items": _queue("enqueued"),
    "queue_done_items": _queue("done"),
    "queue_dropped_items": _queue("dropped"),
    "queue_retries_count": _queue("retries"),
    "queue_unaccounted_items": _queue("unaccounted"),
    "seen_to_within_s_p50": lambda use: use.lag_s_p50,
    "seen_to_within_s_max": lambda use: use.lag_s_max,
}


def samples_s(uses: Iterable[DiscoveryUse], step: str) -> tuple[float, ...]:
    """Return every time of a step of all of these, in seconds, sorted."""
    return tuple(sorted(took_s for use in uses for one in use.of(step) for took_s in one.times_s))


def missing_in(uses: Iterable[DiscoveryUse], step: str) -> int:
    """Return how many services did not come in their time in a step of all of these."""
    return sum(one.missing for use in uses for one in use.of(step))


def median_of(name: str, uses: Iterable[DiscoveryUse]) -> float | None:
    """Return the median of a figure over those that have it; None where none has."""
    known = _known(name, uses)
    return statistics.median(known) if known else None


def most_of(name: str, uses: Iterable[DiscoveryUse]) -> float | None:
    """Return the greatest of a figure over those that have it; None where none has."""
    return max(_known(name, uses), default=None)


def _known(name: str, uses: Iterable[DiscoveryUse]) -> list[float]:
    return [value for use in uses if (value := FIGURES[name](use)) is not None]
