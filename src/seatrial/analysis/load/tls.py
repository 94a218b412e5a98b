"""The TLS handshakes of a load, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from seatrial.analysis.load.result import TlsCounts
from seatrial.analysis.load.window import Window
from seatrial.generator.frames import Frame


def tls_counts(frames: Sequence[Frame], window: Window) -> TlsCounts:
    """Sum up the frames of all workers; the rate is of those that end within the measure window or with it."""
    versions: Counter[str] = Counter()
    inside = sum(sum(frame.tls_versions.values()) for frame in window.inside(frames))
    for frame in frames:
        versions.update(frame.tls_versions)
    return TlsCounts(
        versions=dict(sorted(versions.items())),
        resumed=sum(frame.tls_resumed for frame in frames),
        handshakes=versions.total(),
        handshakes_per_s=round(inside / window.length_s, 3) if window.length_s else 0.0,
    )
