"""The terminal view: what it prints where there is no terminal, and that it leaves one as it was."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from tests.support.made_run import Twist, compiled_plan, made_account, made_frames, trial_events

from seatrial.analysis.load.summarise import summarise
from seatrial.analysis.reasons import Reason, Validity
from seatrial.live.terminal import TerminalView
from seatrial.live.terminal.lines import Course, progress_line
from seatrial.record import events

CASE = compiled_plan(("envoy",))["cases"][1]
LOAD = summarise(made_account(1, CASE), list(made_frames(1, CASE, Twist())))


@pytest.fixture
def trial():
    return list(trial_events(1, 1, CASE, 12, Twist()))


def plain_lines(happened, judge=None) -> list[str]:
    stream = io.StringIO()
    with TerminalView(stream, judge) as view:
        for event in happened:
            view(event)
    return stream.getvalue().splitlines()


def test_where_there_is_no_terminal_a_trial_is_one_line_when_it_ends(trial):
    begun = events.RunStarted("run-1", "made-run", 12)
    (line, end) = plain_lines([begun, *trial, events.RunEnded("finished")], lambda *_: (LOAD, Validity()))
    head = "trial 1 of 12: envoy-connections=200-rate=2000, repeat 1: 2,000 of 2,000 requests/s, p50 3"
    assert line.startswith(head)
    # This trial took 13 s, and 11 are left.
    assert line.endswith(" us, believed; about 2 min 23 s left")
    assert end == "run finished"


def test_the_last_trial_has_no_time_left_and_one_that_is_doubted_says_why(trial):
    trial[0] = replace(trial[0], order=12)
    reasons = [Reason(code, text, "") for code, text in (("a", "requests left late"), ("b", "a quota"))]
    asked = []

    def judge(run_id, number):
        asked.append((run_id, number))
        return LOAD, Validity(tuple(reasons))

    (line,) = plain_lines([events.RunStarted("run-1", "made-run", 12), *trial], judge)
    assert line.startswith("trial 12 of 12: ")
    assert line.endswith(" us, not believed: requests left late (and 1 other reason)")
    assert asked == [("run-1", 1)]


def test_a_trial_that_a_person_cut_off_has_no_time_left(trial):
    cut = [
        replace(event, state=events.CUT_OFF) if isinstance(event, events.TrialEnded) else event
        for event in trial
    ]
    (line,) = plain_lines([events.RunStarted("run-1", "made-run", 12), *cut], lambda *_: (LOAD, Validity()))
    assert line.startswith("trial 1 of 12: envoy-connections=200-rate=2000, repeat 1: cut off, ")
    assert " left" not in line


def test_a_single_load_marks_its_phases(trial):
    phases = [event for event in trial if isinstance(event, events.PhaseStarted)]
    assert plain_lines(phases) == ["  set up", "  ramp", "  warm up", "  measure", "  cool down"]


def test_the_line_shows_phase_time_left_rate_p99_and_held(trial):
    state = Course()
    for event in trial:
        if not isinstance(event, events.TrialEnded):
            state.take(event)
    state.take(events.PhaseStarted(1, "measure", 100.0, 6.0))
    line = progress_line(state.live, 102.0)
    assert line.startswith("trial 1/12  envoy: measure, 4 s left  2,000 requests/s  p99 ")
    assert line.endswith("200 held")


def test_a_single_load_has_a_line_without_a_trial(trial):
    state = Course()
    for event in trial:
        if not isinstance(event, events.TrialStarted | events.TrialEnded):
            state.take(event)
    state.take(events.PhaseStarted(1, "measure", 100.0, 6.0))
    assert progress_line(state.live, 102.0).startswith("measure, 4 s left  2,000 requests/s  p99 ")


def test_before_anything_happened_there_is_a_line_too():
    assert progress_line(Course().live, 0.0) == "starting"


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


def test_a_failed_trial_and_a_note_are_printed():
    state = Course()
    state.take(events.TrialStarted(3, "direct-rate=500", "direct", 1, 3, 3, 0.0))
    assert state.take(events.TrialEnded(3, events.FAILED, 1.0, failure="no port")) == ()
    # Said once it can have been judged.
    line = "trial 3 of 3: direct-rate=500, repeat 1: failed: no port"
    assert state.take(events.Noted("person", "hm")) == (line, "  note by person: hm")
    assert state.take(events.RunEnded("finished")) == ("run finished",)
