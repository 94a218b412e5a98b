"""The truth of a stall, and what each wrong percentile is called."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchmarks.peers.base import Report
from benchmarks.peers.verdict import truth_us, verdict

WINDOW_S, STALL_S, PLANNED = 20.0, 2.0, 40_000
HONEST = Report(PLANNED, 100, 1_800_000, 1_980_000, 2_000_000)


def judged(report: Report, made: int = PLANNED, planned: int | None = PLANNED) -> str:
    return verdict(report, WINDOW_S, STALL_S, made, planned)


@pytest.mark.parametrize(
    ("quantile", "us"), [(0.5, 0), (0.95, 1e6), (0.99, 1.8e6), (0.999, 1.98e6), (1, 2e6)]
)
def test_the_truth(quantile: float, us: float) -> None:
    assert truth_us(quantile, WINDOW_S, STALL_S) == pytest.approx(us)


def test_the_truth_is_what_a_schedule_would_have_seen() -> None:
    """Count it out: 40,000 requests, one each 0.5 ms, the server gone from 5 s to 7 s."""
    due_s = [number / 2000 for number in range(PLANNED)]
    waits_s = sorted(max(0.0, 7 - at) if at >= 5 else 0.0 for at in due_s)
    for quantile in (0.5, 0.91, 0.95, 0.99, 0.999):
        seen_us = waits_s[round(quantile * PLANNED) - 1] * 1e6
        assert seen_us == pytest.approx(truth_us(quantile, WINDOW_S, STALL_S), abs=1000)


def test_within_five_percent_is_true() -> None:
    assert judged(HONEST) == "true"
    assert judged(replace(HONEST, p99_us=1_720_000)) == "true"
    assert judged(replace(HONEST, p99_us=1_700_000)) == "coordinated omission"


def test_one_slow_answer_for_each_connection_is_coordinated_omission() -> None:
    assert judged(replace(HONEST, p99_us=900)) == "coordinated omission"


def test_a_stall_that_is_nowhere_is_erased() -> None:
    assert judged(Report(PLANNED, 100, 900, 1_000, 15_000)) == "stall erased"


def test_made_up_samples_reach_the_median() -> None:
    assert judged(replace(HONEST, p50_us=407_000)) == "over-corrected"


def test_what_took_longer_than_the_stall_waited_for_the_tool() -> None:
    assert judged(replace(HONEST, p50_us=800_000, p99_us=2_700_000, max_us=4_000_000)) == "own delay"


def test_dropped_requests_are_named_beside_the_values() -> None:
    assert judged(HONEST, made=36_100) == "requests dropped"
    assert judged(replace(HONEST, p99_us=900), made=36_100) == "coordinated omission, requests dropped"
    assert judged(HONEST, made=36_100, planned=None) == "true"


def test_what_is_not_said_is_not_true() -> None:
    assert judged(replace(HONEST, p999_us=None)) == "not reported"
