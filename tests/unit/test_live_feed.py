"""A view takes nothing from a run: not its time, and not its life."""

from __future__ import annotations

import threading
import time

import pytest
from tests.support.made_run import Twist, compiled_plan, made_frames

from seatrial.live import feed as feed_module
from seatrial.live.feed import Feed
from seatrial.record.events import Event, FrameRecorded, Noted

CASE = compiled_plan(("direct",))["cases"][0]
FRAME = FrameRecorded(1, next(iter(made_frames(1, CASE, Twist()))))


def note(number: int) -> Noted:
    return Noted("seatrial", str(number))


def test_everything_comes_in_order_and_before_the_end() -> None:
    seen: list[Event] = []
    with Feed(seen.append) as feed:
        for number in range(100):
            feed(note(number))
    assert seen == [note(number) for number in range(100)]
    assert (feed.left_out, feed.error) == (0, None)


def test_a_view_that_is_too_slow_misses_frames_and_not_the_course(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "WAITING_LIMIT", 10)
    go_on, seen = threading.Event(), list[Event]()

    def slow(event: Event) -> None:
        go_on.wait(30.0)
        seen.append(event)

    with Feed(slow) as feed:
        began_s = time.monotonic()
        for number in range(20):
            feed(FRAME)
            feed(note(number))
        assert time.monotonic() - began_s < 10
        go_on.set()
    assert [event for event in seen if isinstance(event, Noted)] == [note(number) for number in range(20)]
    assert feed.left_out > 0
    assert seen.count(FRAME) == 20 - feed.left_out


def test_a_view_that_raises_gets_no_more() -> None:
    seen: list[Event] = []

    def fails(event: Event) -> None:
        seen.append(event)
        raise RuntimeError("no such window")

    with Feed(fails) as feed:
        for number in range(3):
            feed(note(number))
    assert seen == [note(0)]
    assert str(feed.error) == "no such window"


def test_a_view_that_hangs_holds_up_the_end_for_a_limited_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "CLOSE_LIMIT_S", 0.1)
    never = threading.Event()

    def hangs(_: Event) -> None:
        never.wait(60.0)

    with Feed(hangs) as feed:
        feed(note(1))
    never.set()
