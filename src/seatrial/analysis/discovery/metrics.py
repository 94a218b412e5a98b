"""The numbers of a discoverer that an objective may be about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.plan.discovered import (
    CALLS_PER_CHANGE,
    IDLE_WRITES,
    NOT_DISCOVERED,
    QUEUE_LEFT,
    QUEUE_PEAK,
    RELAPSES,
    TIMES,
    UNACCOUNTED,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seatrial.analysis.discovery.use import DiscoveryUse, StepUse


def discovered_in(metric: str, use: DiscoveryUse | None) -> tuple[float | None, int]:
    """Return such a time in seconds, and how many services it does not hold of, for they did not come in their time.

    Where some did not, it is the least that it can have been. None and 0 for any other metric, and where the step was
    not come to.
    """
    if use is None or metric not in TIMES:
        return None, 0
    return _TIMES[metric](use)


def came_s(metric: str, use: DiscoveryUse | None) -> float | None:
    """Return such a time in seconds where all came; None where some did not, or had no time for it."""
    value_s, missing = discovered_in(metric, use)
    return None if missing or is_least(metric, use) else value_s


def _first(use: DiscoveryUse) -> tuple[float | None, int]:
    found = [step.times_s[0] for step in use.of("all") if step.times_s]
    missing = sum(step.asked for step in use.of("all") if not step.cut_off) if not found else 0
    return (found[0], 0) if found else (_waited(use, "all"), missing)


def _slowest(step: str) -> Callable[[DiscoveryUse], tuple[float | None, int]]:
    def read(use: DiscoveryUse) -> tuple[float | None, int]:
        steps = use.of(step)
        if any(one.missing for one in steps):
            return _waited(use, step), sum(one.missing for one in steps if not one.cut_off)
        return max((one.times_s[-1] for one in steps if one.times_s), default=None), 0

    return read


def _in_storm(use: DiscoveryUse) -> tuple[float | None, int]:
    steps = use.of("storm")
    if not steps:
        return None, 0
    found = [one.added_s for one in steps if one.added_s is not None]
    if len(found) == len(steps):
        return max(found), 0
    return _waited(use, "storm"), sum(one.added_s is None and not one.cut_off for one in steps)


def _waited(use: DiscoveryUse, step: str) -> float | None:
    return max((one.ended_s - one.began_s for one in use.of(step)), default=None)


_TIMES: Mapping[str, Callable[[DiscoveryUse], tuple[float | None, int]]] = {
    "discovered_first": _first,
    "discovered_all": _slowest("all"),
    "discovered_new": _slowest("new"),
    "discovered_update": _slowest("update"),
    "discovered_delete": _slowest("delete"),
    "discovered_in_storm": _in_storm,
}


def is_least(metric: str, use: DiscoveryUse | None) -> bool:
    """Return whether such a number is the least that it can be, for the measure phase ended before it was known."""
    if use is None:
        return False
    if metric in {NOT_DISCOVERED, RELAPSES, QUEUE_PEAK}:
        return not use.is_whole
    cut_off = [step for step in use.of(_STEP_OF.get(metric, "")) if step.cut_off]
    if metric == "discovered_first":
        return any(not step.times_s for step in cut_off)
    return any(metric != "discovered_in_storm" or step.added_s is None for step in cut_off)


def counts_itself(metric: str, use: DiscoveryUse | None) -> bool:
    """Return whether the discoverer's own page has what such a number is made of, or should have by its kind."""
    if use is None:
        return False
    if set(("enqueued", "done") if metric == UNACCOUNTED else ("depth",)) <= set(use.promised):
        return True
    if use.queue is None:
        return False
    queue = use.queue
    return None not in ((queue.enqueued, queue.done) if metric == UNACCOUNTED else (queue.peak,))


_STEP_OF: Mapping[str, str] = {
    "discovered_first": "all",
    "discovered_in_storm": "storm",
    **{f"discovered_{step}": step for step in ("all", "new", "update", "delete")},
    IDLE_WRITES: "idle",
}


def discovered_count(metric: str, use: DiscoveryUse | None) -> float | None:
    """Return a count of a discoverer; None where nobody knows it, or its step was not come to."""
    return None if use is None else _COUNTS[metric](use)


def _calls_per_change(use: DiscoveryUse) -> float | None:
    return next((step.calls_per_change for step in use.of("all")), None)


def _idle_writes(use: DiscoveryUse) -> float | None:
    steps: tuple[StepUse, ...] = use.of("idle")
    # What an object was seen to change is a write, too, whichever way it came.
    return max((max(one.writes, one.changed) for one in steps), default=None)


def _not_discovered(use: DiscoveryUse) -> float | None:
    # That none is missing is known once the course is over.
    return use.missing if use.missing or use.is_whole else None


_COUNTS: Mapping[str, Callable[[DiscoveryUse], float | None]] = {
    NOT_DISCOVERED: _not_discovered,
    RELAPSES: lambda use: use.relapses,
    IDLE_WRITES: _idle_writes,
    QUEUE_LEFT: lambda use: None if use.queue is None else use.queue.left,
    QUEUE_PEAK: lambda use: None if use.queue is None else use.queue.peak,
    UNACCOUNTED: lambda use: None if use.queue is None else use.queue.unaccounted,
    CALLS_PER_CHANGE: _calls_per_change,
}
COUNTED = frozenset(_COUNTS)
