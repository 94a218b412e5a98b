"""The percentiles of one merged histogram."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Percentiles:
    """A mean, some percentiles and a maximum, in microseconds."""

    mean: float
    p50: int
    p75: int
    p90: int
    p99: int
    p999: int
    p9999: int
    max: int


@dataclass(frozen=True, slots=True)
class Distribution(Percentiles):
    """The percentiles of so many samples."""

    min: int
    count: int
