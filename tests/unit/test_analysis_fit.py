"""Lines through figures: the same numbers as statsmodels has, and the truth where the truth is known."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS
from statsmodels.tools.tools import add_constant

from seatrial.analysis.fit import LACK_OF_FIT_P, fit, straight_up_to

CONNECTIONS = (100_000, 200_000, 300_000)
RATES = (10_000, 20_000, 30_000)


def points(noise: float, curve: float = 0.0, repeats: int = 3, seed: int = 1):
    """Cores over connections and rate: 0.2 for 1,000 requests/s, 0.001 for 1,000 connections."""
    chance = random.Random(seed)
    return [
        (
            {"connections": connections, "rate": rate},
            0.5 + 1e-6 * connections + 2e-4 * rate + curve * (rate / 10_000) ** 2 + chance.gauss(0, noise),
        )
        for connections, rate in itertools.product(CONNECTIONS, RATES)
        for _ in range(repeats)
    ]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("curve", [0.0, 0.3])
def test_slopes_intervals_and_the_test_of_fit_are_those_of_statsmodels(seed: int, curve: float) -> None:
    given = points(0.1, curve, seed=seed)
    found = fit(given)
    assert found is not None
    values = np.array([list(point.values()) for point, _ in given], dtype=float)
    figures = np.array([figure for _, figure in given])
    scales = values.max(axis=0)
    plane = OLS(figures, add_constant(values / scales)).fit()
    assert found.intercept == pytest.approx(plane.params[0])
    for at, (name, scale) in enumerate(zip(("connections", "rate"), scales, strict=True), start=1):
        slope, (low, high) = found.slopes[name], plane.conf_int(alpha=0.05)[at]
        assert slope.per_unit == pytest.approx(plane.params[at] / scale)
        assert (slope.low, slope.high) == pytest.approx((low / scale, high / scale))
    # Lack of fit compares the plane with a mean for each case.
    cases = {tuple(row) for row in values}
    indicators = np.array([[float(tuple(row) == case) for case in sorted(cases)] for row in values])
    f, p, _ = OLS(figures, indicators).fit().compare_f_test(plane)
    assert f >= 0
    assert found.lack_of_fit_p == pytest.approx(p, rel=1e-6, abs=1e-12)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    fits = [fit(points(0.3, seed=seed)) for seed in range(300)]
    inside = sum(
        found is not None and found.slopes["rate"].low <= 2e-4 <= found.slopes["rate"].high for found in fits
    )
    # 285 of 300 are expected; binomial, so 270 is missed once in 4,000 runs, and the seeds are fixed.
    assert 270 <= inside <= 297
    wrong = sum(found is not None and found.is_straight is False for found in fits)
    assert wrong <= 5 + 300 * LACK_OF_FIT_P * 2


def test_a_curve_is_no_straight_line_and_up_to_where_it_was_one() -> None:
    chance = random.Random(3)
    given = [
        (float(value), value + max(0, value - 40) ** 2 / 10 + chance.gauss(0, 0.5))
        for value in (10, 20, 30, 40, 60, 80)
        for _ in range(3)
    ]
    line = fit([({"x": value}, figure) for value, figure in given])
    assert line is not None
    assert line.is_straight is False
    assert straight_up_to(given) == 40


def test_what_cannot_be_known_is_not_said() -> None:
    assert fit([]) is None
    assert fit([({"x": 1.0}, 1.0), ({"x": 1.0}, 2.0)]) is None
    assert fit([({"x": 1.0}, 1.0), ({"x": 2.0}, 2.0)]) is None
    alone = fit([({"x": float(value)}, 2.0 * value + value % 2) for value in range(5)])
    assert alone is not None
    assert alone.is_straight is None
    # Two variables that move together cannot be told apart.
    together = [({"x": float(value), "y": 2.0 * value}, float(value)) for value in range(1, 6)]
    assert fit(together) is None


def test_repeats_that_are_equal_prove_a_line_or_its_lack() -> None:
    straight = fit([({"x": float(value)}, 3.0 * value) for value in (1, 2, 4) for _ in range(2)])
    bent = fit([({"x": float(value)}, float(value**2)) for value in (1, 2, 4) for _ in range(2)])
    assert straight is not None
    assert bent is not None
    assert bent.lack_of_fit_p == 0
    assert bent.is_straight is False
    assert straight.is_straight is True
    assert straight.slopes["x"].per_unit == pytest.approx(3)
