"""An origin that answers slower than the rate: latency grows as the queue does, and nothing is skipped in silence.

C answers a second, R > C requests a second intended. At T seconds C T answers are out, so the one that is given then
was intended at C T / R and has waited T (1 - C/R): the latency rises by (1 - C/R) seconds a second.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from tests.support.load_contract import assert_counts_add_up
from tests.support.program import run_seatrial, running_origin

from seatrial.errors import ExitCode

CAPACITY_PER_S = 500
RATE_PER_S = 1000
WINDOW_S = 5
DRAIN_S = 2
CONNECTIONS = 40
RISE_S_PER_S = 1 - CAPACITY_PER_S / RATE_PER_S


@pytest.fixture(scope="module")
def seen() -> tuple[dict[str, Any], dict[str, Any], int]:
    """Return the documents of the load and of its origin, and the exit code of the load."""
    with running_origin("--capacity", str(CAPACITY_PER_S)) as origin:
        outcome = run_seatrial(
            "load", origin.url, "-c", str(CONNECTIONS), "-R", str(RATE_PER_S), "-d", f"{WINDOW_S}s",
            "--timeout", f"{DRAIN_S}s", "--json", "-", "-q",
        )  # fmt: skip
        return outcome.document, origin.finish(), outcome.code


def test_nothing_that_was_intended_is_skipped(seen) -> None:
    load, origin, _ = seen
    assert_counts_add_up(load)
    requests = load["requests"]
    assert requests["intended"] == RATE_PER_S * WINDOW_S
    answered = CAPACITY_PER_S * (WINDOW_S + DRAIN_S)
    assert requests["completed"] == pytest.approx(answered, rel=0.1)
    assert requests["in_flight"] == CONNECTIONS
    assert requests["unsent"] == requests["intended"] - requests["completed"] - CONNECTIONS
    assert requests["timed_out"] == requests["failed"] == 0
    assert load["errors"] == {}
    assert origin["requests"] == requests["sent"]


def test_latency_grows_as_the_queue_does(seen) -> None:
    load, _, _ = seen
    intervals = [one for one in load["intervals"] if not one["drain"]]
    assert len(intervals) == WINDOW_S
    for interval in intervals:
        middle_s = interval["start_s"] + 0.5
        assert interval["latency_us"]["p50"] / 1e6 == pytest.approx(
            middle_s * RISE_S_PER_S, rel=0.15, abs=0.1
        )
    rises = [
        after["latency_us"]["p50"] - before["latency_us"]["p50"] for before, after in pairwise(intervals)
    ]
    assert all(rise / 1e6 == pytest.approx(RISE_S_PER_S, rel=0.3) for rise in rises), rises
    # The first request that was never sent waited from its turn to the end of the drain.
    answered_s = (load["requests"]["sent"]) / RATE_PER_S
    assert load["latency_us"]["max"] / 1e6 == pytest.approx(WINDOW_S + DRAIN_S - answered_s, rel=0.1)


def test_service_time_is_of_the_requests_under_way_only(seen) -> None:
    load, _, _ = seen
    assert load["service_time_us"]["p50"] / 1e6 == pytest.approx(CONNECTIONS / CAPACITY_PER_S, rel=0.25)


def test_a_slow_system_is_a_result_and_not_the_generators_fault(seen) -> None:
    """Waiting for a free connection is not lateness. A busy test machine may give other reasons, of its own."""
    of_the_machine = {"generator.late", "generator.unread", "generator.frames", "environment.steal"}
    load, _, code = seen
    reasons = {reason["code"] for reason in load["validity"]["reasons"]}
    assert reasons <= of_the_machine
    assert load["lateness_us"]["p50"] < 20_000
    assert code == (ExitCode.INVALID_MEASUREMENT if reasons else ExitCode.PASS)
