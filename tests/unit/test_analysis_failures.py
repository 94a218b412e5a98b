"""Failures of the ramp and of the warm-up are counted and held against nobody; those of the window are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.support.loads import with_values
from tests.unit.test_document import ACCOUNT, SECOND_NS, START_NS, frame, part

from seatrial.analysis.load.answered import error_count
from seatrial.analysis.load.result import LoadResult
from seatrial.analysis.load.summarise import summarise
from seatrial.analysis.validity.load import judge_load
from seatrial.generator.frames import Frame, PhasePart


def failing(phase: Any, failed: int = 0, timed_out: int = 0) -> PhasePart:
    errors = {name: count for name, count in (("read_reset", failed), ("timeout", timed_out)) if count}
    made = part([100] * 20, phase, failed=failed, timed_out=timed_out, completed=20 - failed - timed_out)
    return replace(made, errors=errors)


def of(*frames: Frame) -> LoadResult:
    return summarise(ACCOUNT, frames)


EARLY = frame(0, -1, failing("warmup", 7), errors={"read_reset": 7, "connect_refused": 4})
GOOD = frame(0, 0, part([100] * 20))


def test_failures_before_the_window_are_counted_and_fail_no_objective() -> None:
    result = of(EARLY, GOOD, frame(0, 1, part([100] * 20)))
    assert result.errors == {"connect_refused": 4, "read_reset": 7}
    assert result.errors_in_window == {}
    assert error_count(result) == 0
    document = result.to_json()
    assert (document["errors"], document["errors_in_window"]) == (dict(result.errors), {})


def test_a_warm_up_that_breaks_is_no_broken_window() -> None:
    frames = [EARLY, GOOD, frame(0, 1, part([100] * 20))]
    codes = [reason.code for reason in judge_load(of(*frames), frames, ACCOUNT).reasons]
    assert "system.errors" not in codes


def test_failures_of_the_window_are_counted_once() -> None:
    last = frame(0, 1, failing("measure", 2, 3), errors={"read_reset": 2, "timeout": 3, "connect_refused": 5})
    result = of(EARLY, GOOD, last)
    assert result.errors_in_window == {"connect_refused": 5, "read_reset": 2, "timeout": 3}
    assert error_count(result) == 2 + 3 + 5
    frames = [EARLY, GOOD, last]
    codes = [reason.code for reason in judge_load(result, frames, ACCOUNT).reasons]
    assert "system.errors" in codes


def test_an_interval_of_both_phases_gives_each_its_own() -> None:
    both = frame(0, 0, failing("warmup", 6), failing("measure", 1), errors={"read_reset": 7})
    assert of(both).errors_in_window == {"read_reset": 1}


def test_connections_that_break_in_the_drain_are_not_of_the_window() -> None:
    drain = frame(0, 2, failing("measure", 0, 1), errors={"timeout": 1, "tls_timeout": 9})
    assert drain.start_ns == START_NS + 2 * SECOND_NS
    assert of(GOOD, drain).errors_in_window == {"timeout": 1}


def test_a_worker_that_spins_may_use_a_whole_core() -> None:
    frames = [frame(0, seq, part([100] * 2_000), cpu_user_ns=(seq + 1) * SECOND_NS) for seq in (-1, 0, 1)]
    for spin in (False, True):
        account = with_values(ACCOUNT, asked__spin=spin)
        result = summarise(account, frames)
        codes = [reason.code for reason in judge_load(result, frames, account).reasons]
        assert ("generator.cpu" in codes) is not spin
        assert result.to_json()["generator"]["spin"] is spin


def test_what_breaks_while_idle_in_the_window_is_counted_in_it() -> None:
    early = frame(0, -1, part([100]), errors={"protocol_excess": 7})
    within = frame(0, 0, failing("measure", 2), errors={"protocol_excess": 5, "read_reset": 3})
    assert of(early, within).errors_in_window == {"protocol_excess": 5, "read_reset": 3}
