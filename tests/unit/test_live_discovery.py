"""A discoverer while it goes on: what a person sees of its steps and its queue, on a screen and in lines."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from tests.support.made_run import Twist, compiled_plan, trial_events

from seatrial.analysis.reasons import Validity
from seatrial.discovery.facts import QueueSample, StepFacts
from seatrial.live.model.run import LiveRun
from seatrial.live.terminal import TerminalView
from seatrial.live.terminal.lines import Course
from seatrial.live.terminal.screen import screen
from seatrial.record import events

CASE = compiled_plan(("envoy",))["cases"][1]


def started() -> tuple[events.Event, ...]:
    return events.TrialStarted(1, CASE["id"], "envoy", 1, 1, 2, 100.0), events.PhaseStarted(
        1, "measure", 101.0, 60
    )


def milestone(service, milestone_, at_s, generation=1, step="all") -> events.Event:
    place = "source" if milestone_ == "asked" else "destination"
    return events.MilestoneReached(1, f"ns/{service}", step, generation, milestone_, place, at_s, at_s)


def first_step(services=4, there=3) -> Iterator[events.Event]:
    yield from started()
    yield events.StepStarted(1, "all", "", 101.0)
    for number in range(services):
        yield milestone(number, "asked", 101.0)
    for number in range(there):
        yield milestone(number, "replicated", 102.0 + number)
    yield events.QueueSampled(1, QueueSample(104.0, 2.0, 5.0, 3.0, 0.0, 1.0))


def course_of(happened) -> tuple[Course, list[str]]:
    course = Course()
    lines = [line for event in happened for line in course.take(event)]
    return course, lines


def shown(course, width=120) -> list[str]:
    return screen(course, 106.0, width, 40).plain.splitlines()


def test_a_screen_has_the_step_that_goes_on_its_services_and_the_queue():
    course, _ = course_of(first_step())
    lines = {line.split()[0]: line for line in shown(course)}
    assert "all, 3 of 4 there, 5 s so far" in lines["step"]
    assert "3 of 4 changes there, 0 missed" in lines["services"]
    assert "2 items, 5 enqueued, 3 done, 0 dropped, 1 retries" in lines["queue"]
    narrow = shown(course, width=60)
    assert any("3 of 4 there" in line for line in narrow)


def test_what_comes_twice_or_late_counts_once_and_not_for_another_step():
    late = (
        milestone(0, "replicated", 105.0),
        events.StepEnded(1, StepFacts("all", 101.0, 106.0, 4, missing=1)),
        events.StepStarted(1, "new", "", 107.0),
        milestone("one", "asked", 107.5, step="new"),
        # Of the step before.
        milestone(3, "replicated", 108.0),
    )
    course, _ = course_of([*first_step(), *late])
    found = course.live.discovery
    assert found is not None
    assert (found.there, found.asked, found.missing) == (4, 5, 1)
    assert (found.there_in_step, found.of_step) == (0, 1)
    assert found.all_s is None
    assert found.goes_on is not None
    assert found.goes_on.step == "new"


def test_between_two_steps_and_before_the_first_nothing_is_claimed():
    course, _ = course_of([*started(), events.QueueSampled(1, QueueSample(101.0, None))])
    assert any(line.startswith("step     between two steps") for line in shown(course))
    assert any(line.startswith("queue    depth ?") for line in shown(course))
    course, _ = course_of([*first_step(), events.StepEnded(1, StepFacts("all", 101.0, 106.0, 4))])
    assert course.live.discovery is not None
    assert course.live.discovery.goes_on is None


def test_a_load_that_only_waits_is_not_shown_and_one_that_sends_is():
    made = list(trial_events(1, 1, CASE, 12, Twist(discovered_s=1.0)))
    live = LiveRun()
    for event in made:
        for _ in live.take(event):
            pass
    assert any(point.sent for point in live.points)
    course, _ = course_of(made)
    assert any(line.startswith("rate ") for line in shown(course))
    course, _ = course_of(first_step())
    assert not any(line.startswith(("rate", "latency", "held")) for line in shown(course))


def test_routes_that_change_are_no_discovery():
    course, _ = course_of(trial_events(1, 1, CASE, 12, Twist(changed_s=1.0)))
    assert course.live.discovery is None


def test_where_there_is_no_terminal_each_step_and_the_trial_have_a_line():
    stream = io.StringIO()
    with TerminalView(stream, lambda *_: (None, Validity())) as view:
        for event in (*first_step(4, 4), events.StepEnded(1, StepFacts("all", 101.0, 106.5, 4))):
            view(event)
        view(events.StepStarted(1, "fault", "status status=409", 107.0))
        view(events.StepEnded(1, StepFacts("fault", 107.0, 108.0, 2, missing=1, words="status status=409")))
        view(events.TrialEnded(1, "completed", 110.0))
    assert stream.getvalue().splitlines() == [
        "  all: 4 services, 0 calls, 5.5 s",
        "  fault: status status=409: 2 services, 1 missing, 0 calls, 1 s",
        f"trial 1 of 2: {CASE['id']}, repeat 1: 4 services all there after 4 s, 1 missing, believed; about 10 s left",
    ]


@pytest.mark.parametrize("there", [0, 3])
def test_a_trial_in_which_not_all_came_says_so(there):
    happened = [
        *first_step(4, there),
        events.StepEnded(1, StepFacts("all", 101.0, 106.0, 4, missing=4 - there)),
    ]
    stream = io.StringIO()
    with TerminalView(stream, lambda *_: (None, Validity())) as view:
        for event in (*happened, events.TrialEnded(1, "completed", 110.0)):
            view(event)
    assert f"4 services not all there, {4 - there} missing, believed" in stream.getvalue()
