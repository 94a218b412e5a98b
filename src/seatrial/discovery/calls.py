"""Arithmetic from the moments of each call: how many there were, and how many at a time."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import TYPE_CHECKING, Any

from seatrial.discovery.facts import CallFigures, is_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_NS = 1e9


def call_figures(calls: Sequence[Mapping[str, Any]], lost: int = 0) -> CallFigures:
    """Return what calls come to; each has ``began_ns``, ``ended_ns``, ``verb``, ``resource``, ``status``."""
    counted = [call for call in calls if call["verb"] != "watch"]
    if not counted:
        return CallFigures(lost=lost)
    writes_ns = [call["began_ns"] for call in counted if is_write(_name(call))]
    # What it reads before it begins to write is no part of how it writes.
    first_ns = min(writes_ns, default=min(call["began_ns"] for call in counted))
    writing = [call for call in counted if call["began_ns"] >= first_ns]
    spans = [(call["began_ns"], call["ended_ns"]) for call in writing]
    busy_ns = _busy_ns(spans)
    own = [
        (call["ended_ns"] - call["began_ns"] - call["upstream_ns"]) / _NS
        for call in writing
        if call["upstream_ns"] and not call["fault"]
    ]
    return CallFigures(
        by_verb=dict(Counter(map(_name, counted))),
        refused=dict(Counter(str(call["status"]) for call in counted if not 100 <= call["status"] < 400)),
        busy_s=busy_ns / _NS,
        in_flight_mean=sum(end - begin for begin, end in spans) / busy_ns if busy_ns else None,
        took_s_p50=statistics.median(end - begin for begin, end in spans) / _NS,
        own_s_p50=statistics.median(own) if own else None,
        first_write_s=first_ns / _NS if writes_ns else None,
        lost=lost,
    )


def _name(call: Mapping[str, Any]) -> str:
    return f"{call['verb']} {call['resource'] or '-'}"


def _busy_ns(spans: Iterable[tuple[int, int]]) -> int:
    """Return for how long at least one was under way: the length of the union."""
    busy_ns, until_ns = 0, 0
    for begin_ns, end_ns in sorted(spans):
        busy_ns += max(0, end_ns - max(begin_ns, until_ns))
        until_ns = max(until_ns, end_ns)
    return busy_ns
