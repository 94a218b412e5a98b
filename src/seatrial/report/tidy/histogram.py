"""The latencies of one trial: every sample, merged from what its workers recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from seatrial.analysis.load.distribution import Distribution
from seatrial.analysis.load.histograms import distribution
from seatrial.analysis.run.trials import frames_of

if TYPE_CHECKING:
    from seatrial.analysis.load.decoded import Buckets
    from seatrial.generator.frames import PhaseName
    from seatrial.record.reader import RunReader
    from seatrial.report.tidy.columns import Array
    from seatrial.report.tidy.trials import TrialKey

Kind = Literal["latency", "service_time", "lateness"]
KINDS: Final = ("latency", "service_time", "lateness")
PHASES: Final = ("warmup", "measure")


@dataclass(frozen=True, slots=True, repr=False)
class TrialHistogram:
    """Every sample of one kind in one phase of a trial, in microseconds, with what may be believed of it.

    ``values_us`` are the highest values of the occupied buckets, ascending, and ``counts`` the samples in each: a value
    is exact below 2,048 us and within 0.1 % above (3 significant digits of HdrHistogram).
    """

    trial: int
    kind: Kind
    phase: PhaseName
    validity: str
    validity_reasons: str
    values_us: Array
    counts: Array
    buckets: Buckets

    @property
    def count(self) -> int:
        """All samples."""
        return self.buckets.count

    @property
    def percentiles_us(self) -> Distribution:
        """Return the percentiles that results show; all 0 without samples."""
        return distribution(self.buckets)

    def quantile_us(self, quantile: float) -> int:
        """Return the smallest value that at least this fraction (0 to 1) of the samples do not exceed."""
        return self.buckets.quantile_us(quantile)

    def encode(self) -> str:
        """Return it as HdrHistogram's V2 encoding in base64, which its other readers take."""
        return self.buckets.encode()

    def __repr__(self) -> str:
        """Return what it is of, whether it may be believed, and its percentiles."""
        doubts = f" ({self.validity_reasons})" if self.validity_reasons else ""
        found = self.percentiles_us
        return (
            f"{self.kind} of trial {self.trial}, {self.phase}: {self.validity}{doubts}; {self.count:,} samples, "
            f"p50 {found.p50:,} us, p99 {found.p99:,} us, max {found.max:,} us"
        )


def trial_histogram(reader: RunReader, key: TrialKey, kind: Kind, phase: PhaseName) -> TrialHistogram:
    """Merge the histograms of a trial; exact."""
    frames, histograms = frames_of(reader, key.trial)
    merged = histograms.merge(
        getattr(part, kind) for frame in frames for part in frame.parts if part.phase == phase
    )
    values_us = np.array(merged.highest_us, dtype=np.int64)
    return TrialHistogram(
        trial=key.trial,
        kind=kind,
        phase=phase,
        validity=key.validity,
        validity_reasons=key.reasons,
        values_us=values_us,
        counts=merged.counts.copy(),
        buckets=merged,
    )
