"""Histograms split over workers and intervals against the raw samples: pitfalls 10 and 11."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial._engine import Histogram
from seatrial.analysis.load.histograms import merge

PRECISION = 0.001
HOUR_US = 3_600_000_000
QUANTILES = (0.0001, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 1.0)


def histogram_of(samples_us: list[int]) -> Histogram:
    made = Histogram()
    for sample in samples_us:
        made.record(sample)
    return made


def split(samples_us: list[int], parts: int, seed: int) -> list[list[int]]:
    """Deal the samples out to workers and intervals at random; some may get none."""
    owner = np.random.default_rng(seed).integers(0, parts, len(samples_us))
    return [
        [sample for sample, its in zip(samples_us, owner, strict=True) if its == part]
        for part in range(parts)
    ]


# Most latencies of a real load are of one order of magnitude, and a few are of quite another.
MAGNITUDES = st.integers(0, 31).flatmap(lambda bits: st.integers(2**bits, min(2 ** (bits + 1), HOUR_US)))
SAMPLES = st.lists(MAGNITUDES, min_size=1, max_size=300)


@settings(max_examples=150)
@given(samples=SAMPLES, parts=st.integers(1, 12), seed=st.integers(0, 2**32 - 1))
def test_a_merge_is_the_histogram_of_all_samples_bucket_by_bucket(
    samples: list[int], parts: int, seed: int
) -> None:
    shares = split(samples, parts, seed)
    merged = merge(histogram_of(share).encode() if share else "" for share in shares)
    whole = histogram_of(samples)
    assert merged.buckets() == whole.buckets()
    assert merged.count == len(samples)
    assert (merged.min_us, merged.max_us, merged.mean_us, merged.stdev_us) == (
        whole.min_us, whole.max_us, whole.mean_us, whole.stdev_us,
    )  # fmt: skip


@settings(max_examples=150)
@given(samples=SAMPLES, parts=st.integers(1, 12), seed=st.integers(0, 2**32 - 1))
def test_quantiles_of_a_merge_are_those_of_the_raw_samples(samples: list[int], parts: int, seed: int) -> None:
    merged = merge(histogram_of(share).encode() for share in split(samples, parts, seed))
    truth = np.quantile(samples, QUANTILES, method="inverted_cdf")
    found = [merged.quantile_us(quantile) for quantile in QUANTILES]
    # A histogram holds whole microseconds, of which three digits.
    assert found == pytest.approx(truth.tolist(), rel=PRECISION, abs=0)


def test_every_value_from_a_microsecond_to_an_hour_is_within_a_thousandth() -> None:
    values = np.unique(np.geomspace(1, HOUR_US, 20_000).astype(np.int64)).tolist()
    histogram = histogram_of(values)
    assert 120_000_000 < values[-1] <= HOUR_US
    samples: Counter[int] = Counter(dict(histogram.buckets()))
    assert samples.total() == len(values)
    recorded = sorted(samples.elements())
    assert recorded == pytest.approx(values, rel=PRECISION, abs=0)


@pytest.mark.parametrize("beyond_us", [HOUR_US + 1, 24 * HOUR_US, 2**62])
def test_what_is_beyond_the_range_is_counted_at_its_end(beyond_us: int) -> None:
    histogram = merge((histogram_of([100, beyond_us]).encode(), histogram_of([beyond_us]).encode()))
    assert histogram.count == 3
    assert histogram.max_us == pytest.approx(HOUR_US, rel=PRECISION)
    assert histogram.quantile_us(0.99) == pytest.approx(HOUR_US, rel=PRECISION)
    assert [count for _, count in histogram.buckets()] == [1, 2]
