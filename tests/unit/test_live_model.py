"""What a view knows of now is what the record says of it: the judges are the frames and the kernel's counters."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from tests.support.made_run import Twist, compiled_plan, made_frames, trial_events

from seatrial._engine import Histogram
from seatrial.live.model.points import LoadPoint, LoadPoints
from seatrial.live.model.roles import by_role
from seatrial.live.model.run import Doubted, Happening, LiveRun, MembersSeen
from seatrial.record import events

CASES = compiled_plan()["cases"]


def taken(happened: list[events.Event], live: LiveRun | None = None) -> tuple[LiveRun, list[Happening]]:
    live = live or LiveRun()
    return live, [found for event in happened for found in live.take(event)]


def trial(twist: Twist, case: int = 5) -> list[events.Event]:
    return list(trial_events(1, 1, CASES[case], 12, twist))


@pytest.mark.parametrize("twist", [Twist(), Twist(lost_frame=6), Twist(errors={"timeout": 3, "reset": 2})])
def test_the_points_add_up_to_all_frames(twist: Twist) -> None:
    happened = trial(twist)
    _, found = taken(happened)
    points = [one for one in found if isinstance(one, LoadPoint)]
    frames = [event.frame for event in happened if isinstance(event, events.FrameRecorded)]
    parts = [part for frame in frames for part in frame.parts]
    for name in ("sent", "completed", "failed", "timed_out", "unsent"):
        assert sum(getattr(point, name) for point in points) == sum(getattr(part, name) for part in parts), (
            name
        )
    assert sum((Counter(point.errors) for point in points), Counter()) == sum(
        (Counter(frame.errors) for frame in frames), Counter()
    )
    assert sum(point.latency_us.count for point in points if point.latency_us) == samples(parts).count


def samples(parts) -> Histogram:
    merged = Histogram()
    for part in parts:
        if part.latency:
            merged.add_encoded(part.latency)
    return merged


def test_a_point_has_the_percentiles_of_all_its_samples_and_the_rate_that_was_asked() -> None:
    happened = trial(Twist())
    live, found = taken(happened)
    point = next(one for one in found if isinstance(one, LoadPoint) and one.phase == "measure")
    frames = [event.frame for event in happened if isinstance(event, events.FrameRecorded)]
    own = [frame for frame in frames if point.start_s <= (frame.start_ns + frame.end_ns) / 2e9 <= point.end_s]
    assert len(own) == point.workers == 2
    merged = samples([part for frame in own for part in frame.parts])
    assert point.latency_us is not None
    assert (point.latency_us.p50, point.latency_us.p99, point.latency_us.p999, point.latency_us.max) == (
        merged.quantile_us(0.5), merged.quantile_us(0.99), merged.quantile_us(0.999), merged.max_us,
    )  # fmt: skip
    assert point.asked_per_s == 2_000
    assert point.completed_per_s == pytest.approx(2_000, rel=0.02)
    assert point.held == sum(frame.held for frame in own)
    assert live.points[-1].end_s == max(frame.end_ns for frame in frames) / 1e9


def test_a_worker_that_is_far_behind_is_not_waited_for_and_its_frames_count_all_the_same() -> None:
    frames = list(made_frames(1, CASES[5], Twist()))
    first = [frame for frame in frames if frame.worker == 0]
    second = [frame for frame in frames if frame.worker == 1]
    making = LoadPoints(1)
    points = [point for frame in (second[0], *first) for point in making.take(frame)]
    assert len(points) >= len(first) - 3
    points += [point for frame in second[1:] for point in making.take(frame)]
    points += making.finish()
    assert sum(point.sent for point in points) == sum(part.sent for frame in frames for part in frame.parts)


def test_frames_in_any_order_lose_nothing() -> None:
    frames = list(made_frames(1, CASES[5], Twist()))
    random.Random(7).shuffle(frames)
    making = LoadPoints(1)
    points = [*(point for frame in frames for point in making.take(frame)), *making.finish()]
    assert sum(point.sent for point in points) == sum(part.sent for frame in frames for part in frame.parts)


def test_a_member_uses_what_its_kernel_counted_between_two_looks() -> None:
    happened = trial(Twist())
    live, found = taken(happened)
    looks = [one for one in found if isinstance(one, MembersSeen)]
    samples = [event.sample for event in happened if isinstance(event, events.ProcessSampled)]
    for look in looks:
        for use in look.members:
            own = [s for s in samples if (s.role, s.member) == (use.role, use.member) and s.at_s <= look.at_s]
            assert use.at_s == own[-1].at_s
            if len(own) > 1:
                counted_s = sum(
                    (own[-1].cpu_user_s, own[-1].cpu_system_s, -own[-2].cpu_user_s, -own[-2].cpu_system_s)
                )
                assert use.cores == pytest.approx(counted_s / (own[-1].at_s - own[-2].at_s))
    roles = by_role(live.members)
    assert set(roles) == {sample.role for sample in samples}


def test_what_happened_to_one_trial_is_not_of_the_next() -> None:
    late = trial(Twist(lateness_us=8_000, errors={"reset": 50}))
    live, found = taken(late)
    assert {"generator.late"} <= set(live.doubts)
    assert any(isinstance(one, Doubted) for one in found)
    frames = [event.frame for event in late if isinstance(event, events.FrameRecorded)]
    assert live.errors["reset"] == sum(frame.errors.get("reset", 0) for frame in frames) > 0
    taken(list(trial_events(2, 1, CASES[5], 12, Twist())), live)
    assert (live.doubts, live.errors) == ({}, {})
    assert [begun.trial for begun, _ in live.ended] == [1, 2]
    assert live.first is not None
    assert live.first.trial == 1


def test_a_quiet_trial_gives_no_sign_of_doubt() -> None:
    live, _ = taken(trial(Twist()))
    assert live.doubts == {}


def test_a_point_is_there_as_soon_as_every_worker_has_reported_of_it() -> None:
    happened = trial(Twist())
    live, closed = LiveRun(), list[float]()
    for event in happened:
        for found in live.take(event):
            if isinstance(found, LoadPoint):
                closed.append(found.end_s)
        if isinstance(event, events.FrameRecorded) and event.frame.worker == 1 and live.points:
            assert closed[-1] >= event.frame.end_ns / 1e9 - 0.1


def test_the_moment_in_which_the_last_answers_come_has_counts_and_no_rate() -> None:
    (*_, last) = made_frames(1, CASES[5], Twist())
    short = replace(last, start_ns=last.end_ns, end_ns=last.end_ns + 300_000)
    making = LoadPoints(1)
    list(making.take(last))
    (point, *_) = [*making.take(short), *making.finish()][::-1]
    assert point.completed == sum(part.completed for part in short.parts) > 0
    assert (point.sent_per_s, point.completed_per_s) == (None, None)
