"""Pitfall 17, hysteresis between runs: what the repeats of a case say of a difference between two cases.

The reports show the least and the greatest p99 of the repeats. The difference of two cases then lies between the least
of one minus the greatest of the other and the reverse: the confidence interval that belongs to the Mann-Whitney test at
its extreme (Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", 4.3), of 1 - 2 / C(2n, n): 99.2 % with
five repeats of each, 97.1 % with four, only 90 % with three.
"""

from __future__ import annotations

import numpy as np

from seatrial._engine import Histogram
from seatrial.analysis.run.spread import Spread, spread_of

COMPARISONS = 100
REPEATS = 5
REQUESTS = 1_000
MEAN_US = 500.0
BETWEEN_RUNS = 0.1
"""How far runs of one system lie apart, as the standard deviation of the logarithm: an assumption, of ten percent."""


def test_the_same_system_twice_differs_in_few_comparisons() -> None:
    random = np.random.default_rng(1)
    covered = sum(covers_zero(spread(random), spread(random)) for _ in range(COMPARISONS))
    assert covered / COMPARISONS >= 0.9


def test_a_system_that_is_half_as_fast_differs_in_most() -> None:
    random = np.random.default_rng(2)
    covered = sum(covers_zero(spread(random), spread(random, 2.0)) for _ in range(COMPARISONS))
    assert covered / COMPARISONS < 0.1


def test_one_run_of_each_would_show_a_system_to_differ_from_itself() -> None:
    """What repeats are for: with the requests of one run as the sample its interval is far too narrow."""
    random = np.random.default_rng(3)
    covered = 0
    for _ in range(COMPARISONS):
        (one, low, high), (other, other_low, other_high) = p99_of_one_run(random), p99_of_one_run(random)
        margin = np.hypot((high - low) / 2, (other_high - other_low) / 2)
        covered += abs(one - other) <= margin
    assert covered / COMPARISONS < 0.9


def covers_zero(one: Spread, other: Spread) -> bool:
    return one.min - other.max <= 0 <= one.max - other.min


def spread(random: np.random.Generator, factor: float = 1.0) -> Spread:
    values = [latencies(random, factor).quantile_us(0.99) for _ in range(REPEATS)]
    found = spread_of(values)
    assert found is not None
    return found


def p99_of_one_run(random: np.random.Generator) -> tuple[int, int, int]:
    """Return the p99 and the order statistics around it between which it is with 95 %."""
    histogram = latencies(random)
    error = 1.96 * np.sqrt(0.99 * 0.01 / REQUESTS)
    return (
        histogram.quantile_us(0.99),
        histogram.quantile_us(0.99 - error),
        histogram.quantile_us(0.99 + error),
    )


def latencies(random: np.random.Generator, factor: float = 1.0) -> Histogram:
    mean_us = MEAN_US * factor * random.lognormal(0.0, BETWEEN_RUNS)
    histogram = Histogram()
    for us in random.exponential(mean_us, REQUESTS):
        histogram.record(max(1, int(us)))
    return histogram
