"""Histograms of microseconds as Prometheus has them: in seconds, with set bounds and with exponential ones.

A bucket of ours is 0.1 % wide; it is put, whole, where its highest value belongs. So what a bound says is exact to
0.1 % of the bound.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial._engine import Histogram

MICROSECONDS = 1e6
BOUNDS_S = (
    0.0001, 0.00025, 0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075,
    0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
"""Upper bounds of the classic buckets: dense where an objective on an ingress lies, about 1.5 apart."""
SCHEMA = 5
"""Of the native histogram: its bounds are 2^(1/32) apart, 2.2 %, so that a quantile is within 1.1 %.

(Prometheus, "Native Histograms", 2023: schema n has 2^n buckets for each power of two.)
"""
ZERO_THRESHOLD_S = 1e-7
"""Below a tenth of our microsecond there is nothing but 0."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Samples in seconds. ``cumulative`` has how many are at most each of ``BOUNDS_S``.

    ``native`` has how many are in each exponential bucket: number i is of (2^((i-1)/2^SCHEMA), 2^(i/2^SCHEMA)];
    ``zeros`` are those of 0.
    """

    count: int
    sum_s: float
    cumulative: tuple[int, ...]
    native: Mapping[int, int]
    zeros: int


def distribution_of(samples: Histogram) -> Distribution:
    """Return a histogram of microseconds as one of seconds; every sample is in it."""
    own, native, zeros = [0] * len(BOUNDS_S), Counter[int](), 0
    at = 0
    for highest_us, count in samples.buckets():
        value_s = highest_us / MICROSECONDS
        while at < len(BOUNDS_S) and value_s > BOUNDS_S[at]:
            at += 1
        if at < len(BOUNDS_S):
            own[at] += count
        if value_s <= ZERO_THRESHOLD_S:
            zeros += count
        else:
            native[math.ceil(math.log2(value_s) * 2**SCHEMA)] += count
    total, cumulative = 0, []
    for count in own:
        total += count
        cumulative.append(total)
    return Distribution(
        count=samples.count,
        sum_s=samples.mean_us * samples.count / MICROSECONDS,
        cumulative=tuple(cumulative),
        native=dict(sorted(native.items())),
        zeros=zeros,
    )
