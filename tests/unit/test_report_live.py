"""The terminal view: what it prints where there is no terminal, and that it leaves one as it was."""

from __future__ import annotations

import io

import pytest
from tests.support.made_run import Twist, compiled_plan, trial_events

from seatrial.live.state import LiveState, progress_line
from seatrial.live.terminal import TerminalView
from seatrial.record import events

CASE = compiled_plan(("envoy",))["cases"][1]


@pytest.fixture
def trial():
    return list(trial_events(1, 1, CASE, 12, Twist()))


def test_plain_lines_mark_each_phase(trial):
    stream = io.StringIO()
    with TerminalView(stream) as view:
        for event in [*trial, events.RunEnded("finished", 0)]:
            view(event)
    assert stream.getvalue().splitlines() == [
        "trial 1 of 12: envoy-connections=200-rate=2000, repeat 1",
        "  set up",
        "  ramp",
        "  warm up",
        "  measure",
        "  cool down",
        "run finished",
    ]


def test_the_line_tells_phase_time_left_rate_p99_and_held(trial):
    state = LiveState()
    for event in trial:
        if not isinstance(event, events.TrialEnded):
            state.take(event)
    state.take(events.PhaseStarted(1, "measure", 100.0, 6.0))
    line = progress_line(state, 102.0)
    assert line.startswith("trial 1/12  envoy: measure, 4 s left  2,000 requests/s  p99 ")
    assert line.endswith("200 held")


def test_a_single_load_has_a_line_without_a_trial(trial):
    state = LiveState()
    for event in trial:
        if not isinstance(event, events.TrialStarted | events.TrialEnded):
            state.take(event)
    state.take(events.PhaseStarted(1, "measure", 100.0, 6.0))
    assert progress_line(state, 102.0).startswith("measure, 4 s left  2,000 requests/s  p99 ")


def test_before_anything_happened_there_is_a_line_too():
    assert progress_line(LiveState(), 0.0) == "starting"


def test_a_terminal_gets_one_line_that_is_taken_away_again(trial):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    with TerminalView(stream) as view:
        for event in trial:
            view(event)
    assert "trial 1 of 12" in stream.getvalue()
    assert stream.getvalue().count("\x1b[?25l") == stream.getvalue().count("\x1b[?25h")


def test_a_failed_trial_and_a_note_are_told():
    state = LiveState()
    assert state.take(events.TrialEnded(3, "failed: no port", 1.0)) == "  trial 3 failed: no port"
    assert state.take(events.Noted("person", "hm")) == "  note by person: hm"
