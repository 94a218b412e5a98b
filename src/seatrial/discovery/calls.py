"""Arithmetic from the moments of each call: how many there were, and how many at a time."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import TYPE_CHECKING, Any

from seatrial.discovery.facts import CallFigures

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_NS = 1e9


def call_figures(calls: Sequence[Mapping[str, Any]], lost: int = 0) -> CallFigures:
    """Return what calls come to; each has ``began_ns``, ``ended_ns``, ``verb``, ``resource``, ``status``."""
    counted = [call for call in calls if call["verb"] != "watch"]
    if not counted:
        return CallFigures(lost=lost)
    spans = [(call["began_ns"], call["ended_ns"]) for call in counted]
    busy_ns = _busy_ns(spans)
    under_way_ns = sum(end - begin for begin, end in spans)
    own = [
        (call["ended_ns"] - call["began_ns"] - call["upstream_ns"]) / _NS
        for call in counted
        if call.get("upstream_ns") is not None and not call.get("fault")
    ]
    return CallFigures(
        by_verb=dict(Counter(f"{call['verb']} {call['resource'] or '-'}" for call in counted)),
        refused=dict(Counter(str(call["status"]) for call in counted if not _is_good(call["status"]))),
        busy_s=busy_ns / _NS,
        in_flight_mean=under_way_ns / busy_ns if busy_ns else None,
        took_s_p50=statistics.median(end - begin for begin, end in spans) / _NS,
        own_s_p50=statistics.median(own) if own else None,
        lost=lost,
    )


def _is_good(status: int | None) -> bool:
    return status is not None and 100 <= status < 400


def _busy_ns(spans: Iterable[tuple[int, int]]) -> int:
    """Return for how long at least one was under way: the length of the union."""
    busy_ns, until_ns = 0, 0
    for begin_ns, end_ns in sorted(spans):
        busy_ns += max(0, end_ns - max(begin_ns, until_ns))
        until_ns = max(until_ns, end_ns)
    return busy_ns
