"""How far a clock elsewhere is from ours: the truth is within the error, whatever the network does."""

from __future__ import annotations

import random

import pytest

from seatrial.generator.clocks import SPAN_NS, Clocks, Offset

MS = 1_000_000
TRUTH_NS = -123_456_789_012


def exchange(clocks: Clocks, chosen: random.Random, at_ns: int, truth_ns: int = TRUTH_NS) -> None:
    """Ask a clock; the way there and the way back each take some time, and much more now and then."""
    ways_ns = [int(chosen.expovariate(1 / (2 * MS))) + MS // 10 for _ in range(2)]
    clocks.answered(
        "boot", asked_ns=at_ns, shown_ns=at_ns + ways_ns[0] + truth_ns, heard_ns=at_ns + sum(ways_ns)
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_truth_is_within_the_error_and_more_exchanges_make_that_smaller(seed: int) -> None:
    clocks, chosen = Clocks(), random.Random(seed)
    errors_ns = []
    for number in range(40):
        exchange(clocks, chosen, number * 50 * MS)
        found = clocks.offset("boot")
        assert abs(found.offset_ns - TRUTH_NS) <= found.error_ns
        errors_ns.append(found.error_ns)
    assert errors_ns == sorted(errors_ns, reverse=True)
    assert errors_ns[-1] < 2 * MS


def test_the_error_of_one_exchange_is_half_of_its_round_trip() -> None:
    clocks = Clocks()
    clocks.answered("boot", asked_ns=100, shown_ns=1_000, heard_ns=120)
    assert clocks.offset("boot") == Offset(890, 10)


def test_old_exchanges_do_not_hold_a_clock_that_drifts() -> None:
    clocks, chosen = Clocks(), random.Random(1)
    for number in range(200):
        at_ns = number * SPAN_NS // 10
        # 50 us in a second: a bad crystal that nobody corrects.
        exchange(clocks, chosen, at_ns, TRUTH_NS + at_ns // 20_000)
    at_ns = 199 * SPAN_NS // 10
    found = clocks.offset("boot")
    assert abs(found.offset_ns - (TRUTH_NS + at_ns // 20_000)) <= found.error_ns + 2 * MS


def test_a_clock_that_was_set_is_believed_from_its_last_word_on() -> None:
    clocks = Clocks()
    clocks.answered("boot", asked_ns=0, shown_ns=50, heard_ns=100)
    clocks.answered("boot", asked_ns=200, shown_ns=900_250, heard_ns=300)
    assert clocks.offset("boot") == Offset(900_000, 50)


def test_pods_of_one_machine_share_what_is_known_of_its_clock() -> None:
    clocks = Clocks()
    clocks.answered("one", asked_ns=0, shown_ns=505, heard_ns=10)
    clocks.answered("one", asked_ns=0, shown_ns=900, heard_ns=800)
    clocks.answered("other", asked_ns=0, shown_ns=7_000, heard_ns=100)
    assert (clocks.offset("one"), clocks.offset("other").offset_ns) == (Offset(500, 5), 6_950)
