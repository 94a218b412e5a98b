"""What became of each route's requests, over all workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Route:
    """One host and path: counts of the measure window; ``completed_in_all`` has the warm-up, too, as an origin counts.

    ``latencies`` are base64 V2 histograms to be merged, one of each worker that kept any (2 significant digits).
    """

    route: str
    sent: int
    completed: int
    failed: int
    unexpected: int
    completed_in_all: int
    latencies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer that was not as expected: ``kind`` is status, header or body; ``body`` is how its body begins."""

    kind: str
    route: str
    status: int
    body: str


def merged_routes(reports: Iterable[Mapping[str, Any]]) -> tuple[Route, ...]:
    """Add up the reports of all workers, in the order in which routes first appear."""
    rows: dict[str, dict[str, Any]] = {}
    for report in reports:
        row = rows.setdefault(
            report["route"], {"latencies": (), **dict.fromkeys(_COUNTS, 0), "route": report["route"]}
        )
        for name in _COUNTS:
            row[name] += report[name]
        if report["latency"]:
            row["latencies"] += (report["latency"],)
    return tuple(Route(**row) for row in rows.values())


_COUNTS = ("sent", "completed", "failed", "unexpected", "completed_in_all")
