"""Does the load arrive as the schedule says, by the stamps of the server's kernel? Pitfalls 3, 4 and 13.

The index of dispersion of n Poisson counts has a standard deviation of about sqrt(2 / n): over 50 ms 0.2, and 0.028
for the mean of 50 of them, so that 0.9 to 1.1 are more than three of those.
"""

from __future__ import annotations

import statistics
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from benchmarks.arrivals import arrivals, index_of_dispersion, uniform_anderson_darling
from benchmarks.evenness import POISSON_RANGE, UNIFORM_LIMIT, load
from numpy.typing import NDArray
from tests.support.attempts import attempt
from tests.support.on_time import (
    PART_MS,
    dispersions,
    parts_on_time,
    ranks_of_gaps,
    taken_of,
    unless_taken,
)

RATE_PER_S = 2_000
UNEVEN = 1.0
"""As uneven as chance makes them: on a schedule without chance they are not, however busy the machine."""
GAPS_RATE_PER_S = 200
"""Gaps of 5 ms on average: what the arrivals are late by, tens of microseconds, is little beside them."""
ANDERSON_DARLING_LIMIT = 6.0
"""Exceeded by exponential gaps with probability 0.1 % (Marsaglia and Marsaglia 2004)."""
DELAY_US = 50
TRUTH_US = 40
"""What the kernel takes to hand an answer over, from the server's write to the client's stamp: 13 to 25 us here,
none of it the client's. A loop that timed its own waking would be off by 30 to 500 us more."""


@pytest.mark.parametrize(("resolution", "workers"), [("auto", 1), ("fine", 1), ("fine", 2)])
def test_uniform_arrivals_are_even(resolution: str, workers: int) -> None:
    parts = parts_on_time(RATE_PER_S, "--resolution", resolution, "-t", str(workers), enough=20)
    found = dispersions(parts)
    # What is late by less than a millisecond counts as on time and may come into the next one's bin, so that in a part
    # in which the machine was busy two come together. A client that sends in bursts does so in every part, by tens.
    assert statistics.median(found) < UNIFORM_LIMIT
    assert statistics.fmean(found) < UNEVEN


@pytest.mark.parametrize(("resolution", "workers"), [("auto", 1), ("fine", 2)])
def test_poisson_arrivals_are_as_uneven_as_chance(resolution: str, workers: int) -> None:
    low, high = POISSON_RANGE
    flags = ("--arrival", "poisson", "--resolution", resolution, "-t", str(workers))
    assert low <= statistics.fmean(dispersions(parts_on_time(RATE_PER_S, *flags, enough=50))) <= high


def test_poisson_gaps_are_exponential() -> None:
    parts = parts_on_time(GAPS_RATE_PER_S, "--arrival", "poisson", "--resolution", "fine", enough=50)
    assert uniform_anderson_darling(ranks_of_gaps(parts)) < ANDERSON_DARLING_LIMIT


def test_the_statistics_distinguish_even_random_and_bursty_arrivals() -> None:
    random = np.random.default_rng(1)
    even = np.arange(0, 20_000_000_000, 500_000)
    poisson = np.cumsum(random.exponential(500_000, 40_000)).astype(np.int64)
    bursty = np.repeat(np.arange(0, 20_000_000_000, 5_000_000), 10)
    assert index_of_dispersion(even) < 0.01
    assert index_of_dispersion(poisson) == pytest.approx(1.0, abs=0.05)
    assert index_of_dispersion(bursty) > 5


def test_gaps_that_are_not_random_are_not_exponential() -> None:
    random = np.random.default_rng(1)
    length_ns = PART_MS * 1_000_000

    def anderson_darling(gaps_ns: NDArray[Any]) -> float:
        times = np.cumsum(gaps_ns).astype(np.int64)
        edges = np.searchsorted(times, np.arange(0, times[-1], length_ns))
        parts = [times[first:last] for first, last in pairwise(edges)]
        return uniform_anderson_darling(ranks_of_gaps(parts))

    mean_ns = 1_000_000_000 // GAPS_RATE_PER_S
    assert anderson_darling(random.exponential(mean_ns, 1_000)) < ANDERSON_DARLING_LIMIT
    assert anderson_darling(random.uniform(0, 2 * mean_ns, 1_000)) > ANDERSON_DARLING_LIMIT
    assert anderson_darling(random.exponential(mean_ns / 2, 1_000) + mean_ns / 2) > ANDERSON_DARLING_LIMIT
    assert anderson_darling(np.full(1_000, mean_ns)) > ANDERSON_DARLING_LIMIT
    assert anderson_darling(np.tile([0, 2 * mean_ns], 500)) > ANDERSON_DARLING_LIMIT


@pytest.mark.parametrize("flags", [(), ("--resolution", "fine"), ("--spin",)], ids=["auto", "fine", "spin"])
def test_an_answer_after_50_us_is_measured_as_50_us(flags: tuple[str, ...]) -> None:
    """The truth is the server's: from its kernel's stamp of the request to the moment before its write.

    What a loop that sleeps is late by is in the latency, as it must be, and shown apart; one that spins is not late.
    """

    taken = []

    def check() -> None:
        with arrivals(delay_ns=DELAY_US * 1_000) as seen:
            document = load(seen.url, "-c", "10", "-R", "1000", "-d", "1s", *flags)
        taken.append(taken_of(document))
        truth_us = statistics.median(seen.answered_after_ns) / 1_000
        assert truth_us >= DELAY_US
        assert document["service_time_us"]["p50"] == pytest.approx(truth_us, abs=TRUTH_US)
        if "--spin" in flags:
            assert document["latency_us"]["p50"] == pytest.approx(truth_us, abs=TRUTH_US)

    with unless_taken(taken):
        attempt(check)


def test_connections_are_used_alike() -> None:
    with arrivals() as seen:
        load(seen.url, "-c", "50", "-R", "1000", "-d", "2s")
    counts = list(Counter(seen.connections).values())
    assert (len(counts), sum(counts)) == (50, 2_000)
    assert statistics.pstdev(counts) / statistics.fmean(counts) < 0.05


def test_the_most_recently_used_first_is_skewed() -> None:
    """What the default avoids shows in the same measure."""
    with arrivals() as seen:
        load(seen.url, "-c", "50", "-R", "1000", "-d", "1s", "--reuse", "mru")
    counts = [Counter(seen.connections)[number] for number in range(50)]
    assert statistics.pstdev(counts) / statistics.fmean(counts) > 1
