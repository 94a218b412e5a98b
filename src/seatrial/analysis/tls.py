"""The TLS handshakes of a load, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from seatrial.analysis.result import TlsCounts
from seatrial.load.frames import Frame

EDGE_NS = 20_000_000
"""A frame that ends at a boundary may end a little after it: the worker was busy sending."""


def tls_counts(frames: Sequence[Frame], window_start_ns: int, measured_s: float) -> TlsCounts:
    """Sum up the frames of all workers; the rate is of those that end within the measure window or with it."""
    versions: Counter[str] = Counter()
    inside = 0
    end_ns = window_start_ns + round(measured_s * 1e9) + EDGE_NS
    for frame in frames:
        versions.update(frame.tls_versions)
        if window_start_ns + EDGE_NS < frame.end_ns <= end_ns:
            inside += sum(frame.tls_versions.values())
    return TlsCounts(
        versions=dict(sorted(versions.items())),
        resumed=sum(frame.tls_resumed for frame in frames),
        handshakes=versions.total(),
        handshakes_per_s=round(inside / measured_s, 3) if measured_s else 0.0,
    )
