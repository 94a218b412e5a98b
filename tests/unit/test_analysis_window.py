"""What the frames say of the measure window: connections of every moment of it, the CPU of each worker."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.accounts import account_of
from tests.unit.test_document import ACCOUNT, SECOND_NS, START_NS, frame, part

from seatrial.analysis.load.summarise import summarise
from seatrial.analysis.load.window import EDGE_NS, Gauge, Window, cpu_cores_in, gauge_in
from seatrial.analysis.validity.evidence import measure_window
from seatrial.analysis.validity.load import judge_load
from seatrial.generator.frames import Frame
from seatrial.record.tables.rows import RecordedPhase

WINDOW = Window(START_NS, START_NS + 2 * SECOND_NS)
FULL = [frame(worker, seq, part([100] * 2_000)) for worker in (0, 1) for seq in (-1, 0, 1)]


def changed(worker: int, seq: int, **changes: Any) -> list[Frame]:
    """The full load with one interval that is not like the others."""
    return [replace(one, **changes) if (one.worker, one.seq) == (worker, seq) else one for one in FULL]


def codes(frames: list[Frame]) -> list[str]:
    result = summarise(account_of(start_ns=START_NS, rate_per_s=4_000), frames)
    return [reason.code for reason in judge_load(result, frames, ACCOUNT).reasons]


def test_connections_held_throughout_are_valid() -> None:
    assert gauge_in(FULL, WINDOW, "held", 100) == Gauge(100, 100, 100, 100, 0)
    assert "system.held_connections" not in codes(FULL)


def test_a_worker_that_was_gone_before_the_end_held_nothing_there() -> None:
    short = [one for one in FULL if (one.worker, one.seq) != (1, 1)]
    gauge = gauge_in(short, WINDOW, "held", 100)
    assert (gauge.at_start, gauge.at_end, gauge.lowest) == (100, 50, 50)
    assert summarise(ACCOUNT, short).connections.held.established == 50
    assert summarise(ACCOUNT, short).connections.active.established == 10
    assert "system.held_connections" in codes(short)


def test_a_last_interval_that_ends_near_the_end_is_the_end() -> None:
    for off_ns in (-EDGE_NS // 2, EDGE_NS // 2):
        frames = changed(1, 1, end_ns=WINDOW.end_ns + off_ns)
        assert gauge_in(frames, WINDOW, "held", 100).at_end == 100


def test_connections_lost_and_opened_again_within_an_interval_are_a_reason() -> None:
    frames = changed(0, 0, held_min=0, held_lost=50)
    assert gauge_in(frames, WINDOW, "held", 100) == Gauge(100, 100, 100, 50, 50)
    assert summarise(ACCOUNT, frames).connections.held.established == 50
    result = summarise(ACCOUNT, frames)
    (text,) = (
        reason.text
        for reason in judge_load(result, frames, ACCOUNT).reasons
        if reason.code == "system.held_connections"
    )
    assert "50 lost" in text


def test_a_loss_shows_at_the_end_of_an_interval() -> None:
    assert "system.held_connections" in codes(changed(0, 0, held=49))


def test_what_was_lost_while_ramping_was_made_good_before_the_window() -> None:
    straddling = changed(0, 0, start_ns=START_NS - SECOND_NS // 2, held_min=0, held_lost=7)
    assert "system.held_connections" not in codes(changed(0, -1, held_min=0, held_lost=7))
    assert "system.held_connections" not in codes(straddling)


def test_the_cpu_of_a_worker_is_that_of_the_whole_window() -> None:
    late = [replace(one, end_ns=one.end_ns + EDGE_NS // 2) for one in FULL if one.worker == 0]
    busy = [replace(one, cpu_user_ns=(one.seq + 1) * 950_000_000, cpu_system_ns=0) for one in late]
    assert cpu_cores_in(busy, WINDOW) == pytest.approx(0.95)
    assert "generator.cpu" in codes(busy)


def test_a_worker_whose_cpu_is_unknown_is_not_called_idle() -> None:
    assert cpu_cores_in(FULL[1:2], WINDOW) is None
    assert cpu_cores_in(FULL, None) is None


def test_a_conductor_that_is_late_makes_the_window_no_longer() -> None:
    start_s = START_NS / SECOND_NS
    phase = RecordedPhase("measure", start_s, start_s + 2.5, 2.0)
    assert measure_window([phase], FULL) == WINDOW


def test_a_cut_trial_ends_with_the_interval_that_every_worker_wrote() -> None:
    phase = RecordedPhase("measure", START_NS / SECOND_NS, None, 6.0)
    cut = [one for one in FULL if (one.worker, one.seq) != (1, 1)]
    assert measure_window([phase], cut) == Window(START_NS, START_NS + SECOND_NS)
    assert measure_window([phase], [frame(0, 0)]) is None


@pytest.mark.parametrize("length_ns", [1_000_000, EDGE_NS - 1, EDGE_NS + 1, 2 * EDGE_NS])
def test_a_short_last_interval_belongs_to_the_window_and_one_after_it_does_not(length_ns: int) -> None:
    end_ns = WINDOW.end_ns
    within = replace(FULL[0], start_ns=end_ns - length_ns, end_ns=end_ns)
    after = replace(FULL[0], start_ns=end_ns, end_ns=end_ns + length_ns)
    assert WINDOW.begun_in([within, after]) == [within]
    before = replace(FULL[0], start_ns=WINDOW.start_ns - length_ns, end_ns=WINDOW.start_ns)
    assert WINDOW.begun_in([before]) == []


def missing(missing_ns: int, *, active_min: int = 0, reconnected: int = 3) -> list[Frame]:
    """The full load, with active connections that were away for so long in one interval."""
    frames = list(FULL)
    at = frames.index(next(one for one in frames if (one.worker, one.seq) == (0, 1)))
    frames[at] = replace(
        frames[at], active_min=active_min, active_missing_ns=missing_ns, reconnected=reconnected
    )
    return frames


def test_active_connections_that_were_away_between_two_looks_are_seen() -> None:
    frames = missing(SECOND_NS)
    gauge = gauge_in(frames, WINDOW, "active", 20)
    assert (gauge.at_start, gauge.at_end, gauge.lowest) == (20, 20, 10)
    assert gauge.missing == pytest.approx(1 / (2 * 20))
    assert summarise(ACCOUNT, frames).connections.active.established == 10


def test_a_few_that_are_opened_again_are_no_reason_and_a_long_absence_is() -> None:
    # One twentieth of what 20 connections have in two seconds is two seconds.
    assert "system.active_connections" not in codes(missing(2 * SECOND_NS - 1))
    assert "system.active_connections" in codes(missing(2 * SECOND_NS + SECOND_NS // 10))
    assert "system.active_connections" in codes(missing(1, active_min=9, reconnected=0))
