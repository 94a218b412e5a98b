"""Every call that was answered, counted: by method, path without ids, project and status, with how long it took."""

from __future__ import annotations

from collections import Counter
from typing import Any

from seatrial._engine import Histogram


class Calls:
    """The counts since the start, or since :meth:`reset`.

    The latency is from the head of the request to the answer before it is sent, faults and all.
    """

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str | None, int]] = Counter()
        self._latencies: dict[tuple[str, str], Histogram] = {}

    def add(self, method: str, path: str, project_id: str | None, status: int, latency_us: int) -> None:
        """Count a call; ``path`` has names in place of ids, and the project is None where no token was good."""
        self._counts[method, path, project_id, status] += 1
        self._latencies.setdefault((method, path), Histogram()).record(max(latency_us, 1))

    def reset(self) -> None:
        """Begin anew."""
        self._counts.clear()
        self._latencies.clear()

    @property
    def total(self) -> int:
        """How many there were."""
        return self._counts.total()

    def by_path(self) -> dict[tuple[str, str], int]:
        """Return the calls of each method and path."""
        counts: Counter[tuple[str, str]] = Counter()
        for (method, path, _, _), count in self._counts.items():
            counts[method, path] += count
        return dict(counts)

    def document(self) -> dict[str, Any]:
        """Return all of it: the counts, and for each method and path the latency of all its calls."""
        return {
            "total": self.total,
            "calls": [
                {"method": method, "path": path, "project_id": project, "status": status, "count": count}
                for (method, path, project, status), count in self._counts.items()
            ],
            "latency_us": [
                {"method": method, "path": path, **_figures(histogram)}
                for (method, path), histogram in self._latencies.items()
            ],
        }


def _figures(histogram: Histogram) -> dict[str, Any]:
    quantiles = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    return {
        "count": histogram.count,
        "mean": round(histogram.mean_us, 1),
        **{name: histogram.quantile_us(quantile) for name, quantile in quantiles.items()},
        "max": histogram.max_us,
    }
