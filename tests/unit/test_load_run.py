"""What a load says of itself, from what its workers said."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from tests.support.accounts import driven
from tests.support.pods import ended_status, pod_object

from seatrial.analysis.load.result import LoadResult
from seatrial.analysis.load.summarise import summarise
from seatrial.analysis.validity.doubts import doubts_of
from seatrial.analysis.validity.load import judge_load
from seatrial.cluster.pods.facts import facts_of
from seatrial.generator.account import Asked, LoadAccount
from seatrial.generator.messages import Hello
from seatrial.pods.job import CONTAINER
from seatrial.pods.standing import standing_of
from seatrial.record.events import Phase
from seatrial.run.workers.cost import CostMeter
from seatrial.workload.profile import constant, parse_profile
from seatrial.workload.spec import LoadSpec, Target

LOAD = LoadSpec(
    targets=(Target("127.0.0.1", 80),), profile=parse_profile("100@2s,100..1k@6s"), warmup_s=3, measure_s=8
)
HELLO = Hello(0, 7, "epoll", "kernel", 250_000, 1_000, "first")


def account(*hellos: Hello, load: LoadSpec = LOAD, measured_s: float = 8.0) -> LoadAccount:
    asked, hellos = Asked.of(load, served_here=False), hellos or (HELLO,)
    return LoadAccount(asked, hellos, driven(hellos, 5_000_000_000, measured_s))


def result(seen: LoadAccount) -> LoadResult:
    return summarise(seen, ())


@pytest.mark.parametrize(
    ("measured_s", "requested_per_s"),
    [
        pytest.param(8.0, (200 + 550 * 6) / 8, id="to the end"),
        pytest.param(4.0, (200 + 250 * 2) / 4, id="stopped on the way up"),
        pytest.param(1.0, 100, id="stopped before the rate changed"),
        # The window begins after the warm-up, in which the first rate holds.
        pytest.param(0.0, 100, id="stopped in the warm-up"),
    ],
)
def test_of_a_profile_that_was_stopped_only_what_lay_in_the_window_was_asked_for(
    measured_s: float, requested_per_s: float
) -> None:
    seen = result(account(measured_s=measured_s))
    assert seen.rate_per_s.requested == pytest.approx(requested_per_s)
    assert seen.window_s == measured_s


def test_one_rate_is_requested_to_the_last_digit_wherever_it_was_stopped() -> None:
    load = replace(LOAD, profile=constant(400))
    for measured_s in (0.0, 0.7, 3.123456789):
        assert result(account(load=load, measured_s=measured_s)).rate_per_s.requested == 400


@pytest.mark.parametrize(
    ("other", "fact"),
    [
        pytest.param({"timestamps": "program"}, "timed by the kernel and program", id="timestamps"),
        pytest.param({"resolution_ns": 500_000}, "250 us and 500 us", id="resolution"),
        pytest.param({"scheduling": "shared"}, "scheduled first and shared", id="scheduling"),
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["the first worker is better", "the last is better"])
def test_of_workers_that_differ_the_weaker_speaks_and_the_load_is_doubted(
    other: dict[str, Any], fact: str, *, first: bool
) -> None:
    weaker = replace(HELLO, worker=1, **other)
    seen = account(*((HELLO, weaker) if first else (weaker, HELLO)))
    assert result(seen).timestamps == weaker.timestamps
    assert result(seen).resolution_us == weaker.resolution_ns // 1_000
    assert result(seen).generator.scheduling == weaker.scheduling
    (reason,) = doubts_of(seen)
    assert reason.code == "generator.mixed"
    assert fact in reason.text


def test_workers_that_are_alike_are_not_doubted() -> None:
    seen = account(HELLO, replace(HELLO, worker=1))
    assert doubts_of(seen) == ()
    of = result(seen)
    assert (of.timestamps, of.resolution_us, of.generator.scheduling) == ("kernel", 250, "first")


@pytest.mark.parametrize(
    ("phases", "throttled_s"),
    [
        pytest.param(("ramp", "warm up", "measure", "cool down"), 1.0, id="in the window"),
        pytest.param(("ramp", "warm up", "cool down"), 2.0, id="stopped in the warm-up"),
        pytest.param(("ramp", "cool down"), 1.0, id="stopped in the ramp"),
    ],
)
def test_what_a_group_was_throttled_before_the_load_is_not_counted(
    monkeypatch: pytest.MonkeyPatch, phases: tuple[Phase, ...], throttled_s: float
) -> None:
    history_s = 3_600.0
    monkeypatch.setattr("seatrial.run.workers.cost.throttled_s", lambda _: history_s)
    meter = CostMeter([os.getpid()])
    for phase in phases:
        history_s += 1
        meter.on_phase(phase)
    assert meter.cost().throttled_s == throttled_s


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        (("worker 0 ended with -9: no words",), "no words: its requests are"),
        (("worker 0 ended with -9: no words", "worker 1 ended with -9"), ", and 1 other with it: their requests are"),
    ],
    ids=["one", "two"],
)  # fmt: skip
def test_workers_that_are_gone_before_the_window_are_one_cause(lost: tuple[str, ...], expected: str) -> None:
    gone = replace(driven((HELLO,), 0, 0.0), lost=lost, was_stable=False, start_ns=None, dones=())
    seen = replace(account(), driven=gone)
    validity = judge_load(result(seen), [], seen)
    (cause,) = validity.causes
    assert (cause.code, expected in cause.text) == ("generator.lost", True), cause.text
    assert [reason.code for reason in validity.consequences(cause)] == ["system.unstable"]


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"status": ended_status(exitCode=137, reason="OOMKilled")}, "worker_memory"),
        ({"status": {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}}, "who drains it"),
        ({"status": {"phase": "Failed", "reason": "NodeLost"}}, "see to the node"),
        ({"deletionTimestamp": "2026-11-26T16:46:09Z"}, "who deletes pods"),
        ({"status": ended_status(exitCode=1, reason="Error")}, "bug in Seatrial"),
    ],
    ids=["oom-killed", "evicted", "node-lost", "deleted", "crashed"],
)
def test_what_ended_a_worker_says_what_to_do(changes: dict[str, Any], step: str) -> None:
    ended = standing_of(facts_of(pod_object(0, **changes)), CONTAINER)
    assert ended.has_ended
    lost = (f"worker 0 (pod worker-1-0-x on node load) {ended.why}",)
    seen = replace(account(), driven=replace(driven((HELLO,), 0, 0.0), lost=lost, start_ns=None, dones=()))
    (cause,) = judge_load(result(seen), [], seen).causes
    assert step in cause.remedy
