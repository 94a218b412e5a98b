"""When a ramp goes on, when it has failed, and what is said of it then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seatrial.analysis.validity.ramp import ramp_failed
from seatrial.generator.ramp import Ramp, RampWatch
from seatrial.workload.profile import constant
from seatrial.workload.spec import LoadSpec, Target

LOAD = LoadSpec(
    targets=(Target("127.0.0.1", 80),),
    profile=constant(100),
    active=0,
    held=10_000,
    connect_rate_per_s=1_000.0,
    timeout_s=2.0,
    measure_s=1.0,
)


def ramped(rate_per_s: float, until_s: float) -> tuple[RampWatch, float]:
    """Establish so many a second until then, and no more; return when the ramp had failed (or 1,000 s)."""
    watch = RampWatch(LOAD, 1, 0.0)
    for tenth in range(10_000):
        now_s = tenth / 10
        watch.saw(min(10_000, int(rate_per_s * min(now_s, until_s))), now_s)
        if watch.has_failed(now_s):
            return watch, now_s
    return watch, 1_000.0


def test_a_slow_ramp_goes_on_as_long_as_it_makes_progress():
    _, failed_s = ramped(rate_per_s=15, until_s=600)
    assert failed_s > 600


def test_a_ramp_that_stops_has_failed_and_its_numbers_are_of_the_time_when_it_moved():
    watch, failed_s = ramped(rate_per_s=500, until_s=10)
    assert 10 + watch.patience_s - 1 <= failed_s <= 10 + watch.patience_s + 1
    ramp = watch.result(failed_s)
    assert (ramp.established, ramp.wanted, ramp.took_s) == (5_000, 10_000, 10.0)
    assert ramp.accepted_per_s == 500


def test_a_trickle_is_no_progress():
    _, failed_s = ramped(rate_per_s=5, until_s=1_000)
    assert failed_s < 100


def test_workers_that_open_side_by_side_have_gaps_as_long_as_they_are_many():
    # 20 workers at two a second in all: each opens one at once, and its next after ten seconds.
    load = replace(LOAD, active=100, held=0, connect_rate_per_s=2.0)
    watch = RampWatch(load, 20, 0.0)
    for tenth in range(500):
        now_s = tenth / 10
        watch.saw(min(100, 20 * (1 + int(now_s / 10))), now_s)
        assert not watch.has_failed(now_s), now_s


def gives_up_after(load: LoadSpec, *, refused: bool, workers: int = 1) -> float:
    watch = RampWatch(load, workers, 0.0)
    for tenth in range(1_000):
        watch.saw(0, tenth / 10, all_refused=refused)
        if watch.has_failed(tenth / 10):
            return tenth / 10
    return 100.0


def test_where_all_is_refused_no_answer_is_waited_for():
    assert gives_up_after(LOAD, refused=True) == pytest.approx(2.1)
    assert gives_up_after(LOAD, refused=False) == pytest.approx(8.1)
    # Each worker has been refused more than once.
    slow = replace(LOAD, connect_rate_per_s=1.0)
    assert gives_up_after(slow, refused=True, workers=4) == pytest.approx(6.1)
    # Another address may have let its attempts hang.
    assert gives_up_after(replace(LOAD, targets=LOAD.targets * 2), refused=True) > 8


@pytest.mark.parametrize(
    ("ramp", "errors", "overflows", "code", "fact", "remedy"),
    [
        (Ramp(1_000_050, 814_000, 22_000, 54.0, 9.0), {"connect_timeout": 57_400}, 150_000, "system.ramp",
         "overflowed 150,000 times", "--connect-rate of about 15,000"),
        (Ramp(1_000, 800, 1_000, 0.81, 8.0), {"connect_timeout": 70}, 3, "system.ramp", "988/s where 1,000/s",
         "connection limits"),
        (Ramp(10, 0, 1_000, 0.0, 8.0), {"connect_refused": 70}, 0, "system.ramp", "none of 10", "nothing listens"),
        (Ramp(1_000, 800, 1_000, 0.81, 8.0), {}, None, "system.ramp", "800 of 1,000", "idle timeouts"),
        (Ramp(1_000, 800, 1_000, 0.81, 8.0), {"ports_exhausted": 9}, None, "environment.ramp", "9 x ports_exhausted",
         "seatrial check"),
    ],
    ids=["too fast", "a limit", "nobody", "closed again", "this machine"],
)  # fmt: skip
def test_what_is_said_has_the_arithmetic_and_a_remedy(
    ramp: Ramp, errors: dict[str, int], overflows: int | None, code: str, fact: str, remedy: str
) -> None:
    reason = ramp_failed(ramp, errors, overflows)
    assert reason.code == code
    assert fact in reason.text
    assert remedy in reason.remedy


def test_a_lower_rate_is_no_remedy_where_the_listener_kept_up():
    ramp = Ramp(1_000, 800, 1_000, 0.81, 8.0)
    assert "--connect-rate" not in ramp_failed(ramp, {"connect_timeout": 70}, 3).remedy
