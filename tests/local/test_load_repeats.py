"""Pitfall 17, hysteresis between runs, for real: one origin measured twice in turns must not differ from itself.

Each load has new processes, connections and ports, as each repeat of a case has. What is said of a difference is what
the reports' ranges say: see ``tests/unit/test_analysis_repeats.py``. Of n loads of each side, the ranges of two equal
sides lie apart by chance in 2 / C(2n, n) of all comparisons: 1 in 1,716 with seven, however noisy the machine is.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.support.program import running_origin
from tests.unit.test_analysis_repeats import covers_zero

import seatrial
from seatrial.analysis.load.distribution import Distribution
from seatrial.analysis.run.spread import Spread, spread_of

VALUES = ("p50", "p75", "p90", "p99", "max", "mean")
CLAIMS_LIMIT = 2
"""Of the six values; they are of the same requests, so one unlucky load shows in several."""


def test_the_same_origin_measured_twice_in_turns_does_not_differ_from_itself() -> None:
    with running_origin("--body", "600 B") as origin:
        one, other = in_turns(origin.url, origin.url, repeats=7)
    claimed = claims(one, other)
    assert len(claimed) <= CLAIMS_LIMIT, claimed


def test_an_origin_that_is_slower_differs() -> None:
    """What the test above would not show of a comparison that never claims anything."""
    with running_origin("--body", "600 B") as fast, running_origin("--delay", "20ms") as slow:
        one, other = in_turns(fast.url, slow.url, repeats=3)
    assert {"p50", "p75", "mean"} <= claims(one, other).keys()


def in_turns(url: str, other_url: str, *, repeats: int) -> tuple[list[Distribution], list[Distribution]]:
    """Measure both by turns, so that whatever else the machine does meets both."""
    pairs = [(latencies(url, 2 * turn), latencies(other_url, 2 * turn + 1)) for turn in range(repeats)]
    return [one for one, _ in pairs], [other for _, other in pairs]


def latencies(url: str, seed: int) -> Distribution:
    # Fifty connections, so that the slow origin keeps up: a backlog would be another kind of slow.
    result = seatrial.load(url, rate=500, connections=50, duration=0.5, seed=seed)
    assert result.requests.completed == result.requests.intended == 250
    return result.latency_us


def claims(one: Sequence[Distribution], other: Sequence[Distribution]) -> dict[str, tuple[Spread, Spread]]:
    """Return the values in which the two sides are said to differ, with the ranges that say so."""
    spreads = {name: (spread(one, name), spread(other, name)) for name in VALUES}
    return {name: both for name, both in spreads.items() if not covers_zero(*both)}


def spread(repeats: Sequence[Distribution], name: str) -> Spread:
    found = spread_of(getattr(repeat, name) for repeat in repeats)
    assert found is not None
    return found
