"""What a load says of itself, from what its workers said."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.test_document import FACTS

from seatrial.analysis.load.summarise import summarise
from seatrial.analysis.validity.load import doubts_of, judge_load
from seatrial.generator.drive import Driven, PhaseLabel
from seatrial.generator.workers import Done, Hello
from seatrial.run.load import LoadRun, Toll
from seatrial.workload.profile import constant, parse_profile
from seatrial.workload.spec import LoadSpec, Target

LOAD = LoadSpec(
    targets=(Target("127.0.0.1", 80),), profile=parse_profile("100@2s,100..1k@6s"), warmup_s=3, measure_s=8
)
HELLO = Hello(0, 7, "epoll", "kernel", 250_000, 1_000, "first")


def driven(*hellos: Hello, measured_s: float = 8.0) -> Driven:
    dones = tuple(Done(hello.worker, round(measured_s * 1e9), 0) for hello in hellos)
    return Driven(
        hellos or (HELLO,),
        dones,
        5_000_000_000,
        ramp_complete=True,
        was_stable=True,
        interrupted=measured_s < LOAD.measure_s,
        lost=(),
    )


def a_run(load: LoadSpec, seen: Driven) -> LoadRun:
    return LoadRun(load, seen, (), pss_bytes=0, throttled_s=0.0)


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
    facts = a_run(LOAD, driven(HELLO, measured_s=measured_s)).facts()
    assert facts.rate_requested_per_s == pytest.approx(requested_per_s)
    assert facts.measured_s == measured_s


def test_one_rate_is_requested_to_the_last_digit_wherever_it_was_stopped() -> None:
    load = replace(LOAD, profile=constant(400))
    for measured_s in (0.0, 0.7, 3.123456789):
        assert a_run(load, driven(HELLO, measured_s=measured_s)).facts().rate_requested_per_s == 400


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
    seen = driven(*((HELLO, weaker) if first else (weaker, HELLO)))
    facts = a_run(LOAD, seen).facts()
    assert facts.timestamps == weaker.timestamps
    assert facts.resolution_us == weaker.resolution_ns // 1_000
    assert facts.scheduling == weaker.scheduling
    (reason,) = doubts_of(seen)
    assert reason.code == "generator.mixed"
    assert fact in reason.text


def test_workers_that_are_alike_are_not_doubted() -> None:
    seen = driven(HELLO, replace(HELLO, worker=1))
    assert doubts_of(seen) == ()
    facts = a_run(LOAD, seen).facts()
    assert (facts.timestamps, facts.resolution_us, facts.scheduling) == ("kernel", 250, "first")


@pytest.mark.parametrize(
    ("phases", "throttled_s"),
    [
        pytest.param(("ramp", "warm up", "measure", "cool down"), 1.0, id="in the window"),
        pytest.param(("ramp", "warm up", "cool down"), 2.0, id="stopped in the warm-up"),
        pytest.param(("ramp", "cool down"), 1.0, id="stopped in the ramp"),
    ],
)
def test_what_a_group_was_throttled_before_the_load_is_not_counted(
    monkeypatch: pytest.MonkeyPatch, phases: tuple[PhaseLabel, ...], throttled_s: float
) -> None:
    history_s = 3_600.0
    monkeypatch.setattr("seatrial.run.load.throttled_s", lambda _: history_s)
    toll = Toll()
    for phase in phases:
        history_s += 1
        toll.on_phase(phase, (os.getpid(),))
    assert toll.throttled_s == throttled_s


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        (("worker 0 ended with -9: no words",), "no words: its requests are"),
        (("worker 0 ended with -9: no words", "worker 1 ended with -9"), ", and 1 other with it: their requests are"),
    ],
    ids=["one", "two"],
)  # fmt: skip
def test_workers_that_are_gone_before_the_window_are_one_cause(lost: tuple[str, ...], expected: str) -> None:
    reasons = doubts_of(replace(driven(), lost=lost, was_stable=False, start_ns=None, dones=()))
    facts = replace(FACTS, measured_s=0.0)
    validity = judge_load(summarise(facts, []), [], facts, reasons)
    (cause,) = validity.causes
    assert (cause.code, expected in cause.text) == ("generator.lost", True), cause.text
    assert [reason.code for reason in validity.consequences(cause)] == ["system.unstable"]
