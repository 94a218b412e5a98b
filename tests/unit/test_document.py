"""Summing frames up: percentiles of all samples together, counts of the window, the JSON form."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.accounts import account_of

from seatrial._engine import Histogram
from seatrial.analysis.load.histograms import merge
from seatrial.analysis.load.result import SCHEMA
from seatrial.analysis.load.summarise import summarise
from seatrial.generator.frames import Frame, PhaseName, PhasePart

SECOND_NS = 1_000_000_000
START_NS = 50 * SECOND_NS
PRECISION = 0.001
"""Three significant digits."""

ACCOUNT = account_of(start_ns=START_NS)


def encoded(samples: Sequence[int]) -> str:
    histogram = Histogram()
    for sample in samples:
        histogram.record(sample)
    return histogram.encode()


def part(samples: Sequence[int], phase: PhaseName = "measure", **changes: int) -> PhasePart:
    """Requests that were all answered, after so many microseconds and in their own phase."""
    histogram = encoded(samples)
    counts: dict[str, Any] = dict.fromkeys(
        ("timed_out", "failed", "unsent", "in_flight", "completed_late"), 0
    )
    counts |= {"sent": len(samples), "completed": len(samples), **changes}
    in_window = counts["completed"] - counts["completed_late"] if phase == "measure" else 0
    counts = {"completed_in_window": in_window, "bytes_received_in_window": 700 * in_window, **counts}
    return PhasePart(
        phase=phase, bytes_sent=40 * len(samples), bytes_received=700 * len(samples), status={"200": len(samples)},
        unexpected={}, errors={}, latency=histogram, service_time=histogram, lateness=histogram, **counts,
    )  # fmt: skip


def frame(worker: int, seq: int, *parts: PhasePart, **changes: Any) -> Frame:
    """The interval of one second that begins ``seq`` seconds after the window did."""
    made = Frame(
        worker=worker, seq=seq, start_ns=START_NS + seq * SECOND_NS, end_ns=START_NS + (seq + 1) * SECOND_NS,
        held=50, held_min=50, held_lost=0, active=10, active_min=10, active_missing_ns=0, in_flight=0, backlog=0,
        opened=0, reconnected=0, churned=0, closed_by_peer=0, reset_by_peer=0, syn_retransmissions=0,
        held_requests=0, held_answers={}, held_unanswered=0, held_lifetime="", receive_wait="", receive_wait_ns_max=0,
        stall_ns_max=0, errors={}, connect="", tls_handshake="", tls_versions={}, tls_resumed=0,
        cpu_user_ns=(seq + 1) * 1_000_000, cpu_system_ns=(seq + 1) * 2_000_000, cpu_frames_ns=0, parts=parts,
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def nearest_rank(samples: Sequence[int], quantile: float) -> int:
    """The smallest sample that at least this fraction does not exceed."""
    ordered = sorted(samples)
    return next(value for index, value in enumerate(ordered, 1) if index >= quantile * len(ordered) - 1e-9)


def test_a_worker_that_is_ten_times_slower_is_not_averaged_away() -> None:
    """Pitfall: the mean of two p99 is no p99. The truth is that of the samples put together."""
    chance = random.Random(1)
    fast = [round(chance.lognormvariate(6, 0.5)) + 1 for _ in range(10_000)]
    slow = [10 * (round(chance.lognormvariate(6, 0.5)) + 1) for _ in range(10_000)]
    latency = summarise(ACCOUNT, [frame(0, 0, part(fast)), frame(1, 0, part(slow))]).latency_us
    for name, quantile in {
        "p50": 0.5,
        "p75": 0.75,
        "p90": 0.9,
        "p99": 0.99,
        "p999": 0.999,
        "p9999": 0.9999,
    }.items():
        truth = nearest_rank(fast + slow, quantile)
        assert getattr(latency, name) == pytest.approx(truth, rel=PRECISION, abs=1), name
    assert latency.count == 20_000
    assert latency.mean == pytest.approx(sum(fast + slow) / 20_000, rel=PRECISION)
    averaged = (nearest_rank(fast, 0.99) + nearest_rank(slow, 0.99)) / 2
    assert abs(latency.p99 - averaged) > 0.05 * averaged


SAMPLES = st.lists(st.integers(1, 3_600_000_000), min_size=1, max_size=60)


@settings(max_examples=50, deadline=None)
@given(shares=st.lists(SAMPLES, min_size=1, max_size=5))
def test_percentiles_are_those_of_the_concatenated_samples(shares: list[list[int]]) -> None:
    frames = [frame(index % 2, index // 2, part(share)) for index, share in enumerate(shares)]
    latency = summarise(ACCOUNT, frames).latency_us
    together = [sample for share in shares for sample in share]
    assert latency.count == len(together)
    assert latency.max == pytest.approx(max(together), rel=PRECISION, abs=1)
    assert latency.min == pytest.approx(min(together), rel=PRECISION, abs=1)
    for name, quantile in {"p50": 0.5, "p90": 0.9, "p99": 0.99}.items():
        assert getattr(latency, name) == pytest.approx(nearest_rank(together, quantile), rel=PRECISION, abs=1)


@settings(max_examples=30, deadline=None)
@given(shares=st.lists(SAMPLES, min_size=2, max_size=6), seed=st.integers(0, 100))
def test_the_order_of_frames_changes_nothing(shares: list[list[int]], seed: int) -> None:
    frames = [frame(index % 2, index // 2, part(share)) for index, share in enumerate(shares)]
    shuffled = random.Random(seed).sample(frames, len(frames))
    assert summarise(ACCOUNT, shuffled) == summarise(ACCOUNT, frames)


def test_the_warm_up_counts_for_nothing() -> None:
    slow_start = frame(0, -1, part([5_000_000] * 100, "warmup"))
    result = summarise(ACCOUNT, [slow_start, frame(0, 0, part([100] * 10)), frame(0, 1, part([100] * 10))])
    assert result.requests.intended == result.requests.completed == 20
    assert result.latency_us.max == pytest.approx(100, abs=1)
    assert result.status == {"200": 20}
    assert result.bytes.sent == 800


def test_cpu_is_that_of_the_window_and_of_all_workers() -> None:
    frames = [frame(worker, seq, part([100] * 10)) for worker in (0, 1) for seq in (-1, 0, 1)]
    result = summarise(ACCOUNT, frames)
    assert (result.generator.cpu_user_s, result.generator.cpu_system_s) == pytest.approx((0.004, 0.008))
    assert result.generator.cpu_us_per_request == pytest.approx(12_000 / 60)


def test_connections_are_the_fewest_of_the_window() -> None:
    frames = [
        frame(0, -2, held=1), frame(0, 0, held=50), frame(0, 1, held=40), frame(1, 0, held=50, active=3), frame(1, 1),
    ]  # fmt: skip
    result = summarise(ACCOUNT, frames)
    assert result.connections.held.established == 40 + 50
    assert result.connections.active.established == 10 + 3


def test_intervals_merge_the_same_stretch_of_every_worker_and_the_drain_is_apart() -> None:
    frames = [
        frame(0, 0, part([100] * 10)), frame(1, 0, part([900] * 10)),
        frame(0, 1, part([200] * 10)), frame(1, 1, part([200] * 10)),
        frame(0, 2, part([3_000_000] * 2), held=0), frame(1, 3, part([2_000_000], timed_out=1, completed=0), held=0),
    ]  # fmt: skip
    first, last, drain = summarise(ACCOUNT, frames).intervals
    assert [(one.start_s, one.length_s, one.drain) for one in (first, last, drain)] == [
        (0.0, 1.0, False), (1.0, 1.0, False), (2.0, 2.0, True),
    ]  # fmt: skip
    assert (first.completed, last.completed, last.errors) == (20, 20, 0)
    assert (drain.completed, drain.errors) == (2, 1)
    assert first.latency_us["p50"] == pytest.approx(100, abs=1)
    assert first.latency_us["max"] == pytest.approx(900, abs=1)
    assert drain.latency_us["max"] == pytest.approx(3_000_000, rel=PRECISION)


def test_idle_connections_of_a_worker_that_waits_for_nothing_are_held_in_the_drain() -> None:
    account = account_of(start_ns=START_NS, measured_s=2.0)
    frames = [frame(worker, seq, part([100]), held=50) for worker in (0, 1) for seq in (0, 1)]
    frames.append(frame(1, 2, part([2_000_000]), held=40))
    assert [one.held for one in summarise(account, frames).intervals] == [100, 100, 90]


@pytest.mark.parametrize(
    ("measured_s", "lengths"), [(2.4, [1, 1, 0.4]), (2.5, [1, 1, 0.5]), (2.6, [1, 1, 0.6])]
)
def test_no_interval_is_longer_than_a_step(measured_s: float, lengths: list[float]) -> None:
    account = account_of(start_ns=START_NS, measured_s=measured_s)
    end_ns = START_NS + round(measured_s * SECOND_NS)
    frames = [frame(0, seq, part([100] * 10)) for seq in (0, 1)]
    frames.append(frame(0, 2, part([100] * 4), end_ns=end_ns))
    intervals = summarise(account, frames).intervals
    assert [one.length_s for one in intervals] == pytest.approx(lengths)
    assert [one.sent for one in intervals] == [10, 10, 4]
    # One that spans the window's end is of the last step.
    assert len(summarise(account, [*frames[:2], frame(0, 2, part([100] * 4))]).intervals) == 3


def test_what_the_warm_up_asked_and_the_window_answered_is_answered_in_the_window() -> None:
    warm_up = part([1_000_000] * 30, "warmup", completed_in_window=0, bytes_received_in_window=0)
    backlog = part([2_000_000] * 40, "warmup", completed_in_window=40, bytes_received_in_window=400)
    own = part([1000] * 100, completed_in_window=60, completed_late=40, bytes_received_in_window=600)
    result = summarise(ACCOUNT, [frame(0, -1, warm_up), frame(0, 0, backlog), frame(0, 1, own)])
    assert (result.requests.completed, result.answers.in_window, result.answers.to_warmup) == (100, 100, 40)
    assert result.rate_per_s.achieved == pytest.approx(100 / 2.0)
    assert result.bytes.received_in_window == 1_000
    assert [one.answered for one in result.intervals] == [40, 60]
    # What the generator used since the window began was for 140 answers.
    assert result.generator.cpu_us_per_request == pytest.approx(6_000 / 140, abs=0.001)
    answers = result.to_json()["answers"]
    assert answers == {"in_window": 100, "to_warmup": 40, "of_intended": 1.0, "unexpected": 0}


def test_what_was_intended_is_what_was_sent_and_what_was_not() -> None:
    unanswered = part([100] * 8, completed=5, timed_out=1, failed=1, in_flight=1, unsent=4)
    result = summarise(
        ACCOUNT, [frame(0, 0, unanswered, errors={"timeout": 1}), frame(1, 0, errors={"read_reset": 1})]
    )
    assert (result.requests.intended, result.requests.sent, result.requests.unsent) == (12, 8, 4)
    assert result.errors == {"read_reset": 1, "timeout": 1}


def test_a_load_without_frames_is_a_document_of_noughts() -> None:
    document = summarise(account_of(start_ns=START_NS, measured_s=0.0), []).to_json()
    assert document["requests"] == dict.fromkeys(document["requests"], 0)
    assert document["latency_us"]["count"] == document["rate_per_s"]["achieved"] == 0
    assert document["intervals"] == []
    json.dumps(document, allow_nan=False)


def test_the_document_is_plain_json_and_says_its_schema() -> None:
    document = summarise(ACCOUNT, [frame(0, 0, part([100] * 10)), frame(0, 1, part([100] * 10))]).to_json()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["schema"] == SCHEMA == "seatrial.load/1"
    assert document["rate_per_s"] == {"requested": 2000.0, "achieved": 10.0}
    assert document["connections"]["active"] == {"requested": 20, "established": 10}
    assert document["tls_handshake_us"] is None
    assert document["validity"] == {"state": "VALID", "direction": None, "reasons": []}


def test_merging_nothing_is_an_empty_histogram() -> None:
    assert merge([]).count == merge(["", ""]).count == 0


def test_what_is_no_histogram_is_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        merge(["bm8gaGlzdG9ncmFt"])


def test_answers_of_the_drain_raise_no_rate() -> None:
    late = part([1000] * 100, completed_late=40)
    result = summarise(ACCOUNT, [frame(0, 0, part([1000] * 100)), frame(0, 1, late)])
    assert result.requests.completed == 200
    assert result.rate_per_s.achieved == pytest.approx(160 / 2.0)
