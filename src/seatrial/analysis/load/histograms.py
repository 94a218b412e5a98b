"""Merging histograms and reading percentiles from them: where every percentile of a report comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal, Protocol

from seatrial._engine import Histogram
from seatrial.analysis.load.distribution import Distribution

if TYPE_CHECKING:
    from seatrial.generator.frames import Frame, PhaseName

Kind = Literal["latency", "service_time", "lateness"]


class Samples(Protocol):
    """What is asked of a merged histogram, the engine's or :class:`seatrial.analysis.load.decoded.Buckets`."""

    @property
    def count(self) -> int:
        """All samples."""

    @property
    def min_us(self) -> int:
        """The smallest; 0 without samples."""

    @property
    def max_us(self) -> int:
        """The largest; 0 without samples."""

    @property
    def mean_us(self) -> float:
        """The mean; 0 without samples."""

    def quantile_us(self, quantile: float, /) -> int:
        """Return the smallest value that at least this fraction (0 to 1) of the samples do not exceed."""


Merge = Callable[[Iterable[str]], Samples]
"""Adds up base64 V2 histograms, "" being one without samples; exact. Raises ``ValueError`` for what is none."""


QUANTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p99": 0.99, "p999": 0.999, "p9999": 0.9999}

# The spectrum's axis is logarithmic in 1/(1-q); this many points for each halving of what is left draw a
# smooth line.
POINTS_PER_HALVING = 5
HALVINGS_LIMIT = 24


def merged(frames: Iterable[Frame], kind: Kind, phase: PhaseName = "measure") -> Histogram:
    """Return one histogram of every sample of ``kind`` in ``phase``; exact, in microseconds."""
    return merge(getattr(part, kind) for frame in frames for part in frame.parts if part.phase == phase)


def merge(encoded: Iterable[str]) -> Histogram:
    """Add up base64 V2 histograms with the engine: a :class:`Merge`."""
    histogram = Histogram()
    for one in encoded:
        histogram.add_encoded(one)
    return histogram


def distribution_of(histogram: Samples) -> Distribution | None:
    """Return the percentiles of a histogram in microseconds; None where it is empty."""
    return distribution(histogram) if histogram.count else None


def distribution(histogram: Samples) -> Distribution:
    """Return the percentiles that results show, in microseconds; all 0 without samples."""
    quantiles = {name: histogram.quantile_us(quantile) for name, quantile in QUANTILES.items()}
    return Distribution(
        min=histogram.min_us,
        mean=round(histogram.mean_us, 3),
        max=histogram.max_us,
        count=histogram.count,
        **quantiles,
    )


def spectrum(histogram: Samples) -> tuple[tuple[float, int], ...]:
    """Return (1/(1-q), latency in us) for quantiles ever nearer to 1, as far as there are samples for it.

    The percentile spectrum of HdrHistogram (Gil Tene), with its logarithmic axis.
    """
    points = []
    for step in range(HALVINGS_LIMIT * POINTS_PER_HALVING):
        inverse = 2 ** (step / POINTS_PER_HALVING)
        if inverse > histogram.count:
            break
        points.append((inverse, histogram.quantile_us(1 - 1 / inverse)))
    return tuple(points)
