"""A record that is followed gives the events that went into it, each once, whenever it is looked at."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

import pytest
from tests.support.made_run import PLAN_TEXT, Twist, compiled_plan, make_run, trial_events

from seatrial.live.tail import RunTail
from seatrial.live.watcher import Watcher
from seatrial.record import events
from seatrial.record.amend import amend
from seatrial.record.journal import add_note
from seatrial.record.writer import RunWriter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CASES = compiled_plan()["cases"]
TWISTS = (Twist(), Twist(disturbed_s=2.0, changed_s=1.5), Twist(of_pods=True, died=True))


def happened(trials: int = 3) -> list[events.Event]:
    found: list[events.Event] = []
    for number in range(1, trials + 1):
        twist = TWISTS[(number - 1) % len(TWISTS)]
        found += [
            *trial_events(number, 1, CASES[number], trials, twist),
            events.Noted("seatrial", f"after {number}"),
        ]
    return found


def sorted_by_kind(found: list[events.Event]) -> list[events.Event]:
    """What is known of the order: that of each kind within its trial."""
    return sorted(found, key=lambda event: (getattr(event, "trial", 0) or 0, type(event).__name__))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_looked_at_at_any_moment_it_gives_each_event_once(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    given, seen = happened(), list[events.Event]()
    writer = RunWriter.create(tmp_path, "made-run", PLAN_TEXT, json.dumps(compiled_plan()))
    with writer, RunTail(writer.path) as tail:
        assert list(tail.new()) == []
        writer.append(events.RunStarted(writer.path.name, "made-run", 3))
        for event in given:
            writer.append(event)
            if draw.random() < 0.1:
                # Whatever part of it has been written by now.
                writer._write_now(("SELECT 1", ())) if draw.random() < 0.5 else None
                seen += tail.new()
        writer.append(events.RunEnded("finished"))
        seen += tail.new()
        assert list(tail.new()) == []
    assert seen[0] == events.RunStarted(writer.path.name, "made-run", 3)
    assert seen[-1] == events.RunEnded("finished")
    assert sorted_by_kind(seen[1:-1]) == sorted_by_kind([rounded(event) for event in given])
    courses = [event for event in seen if isinstance(event, events.TrialStarted | events.TrialEnded)]
    assert [(type(event).__name__, event.trial) for event in courses] == [
        (name, trial) for trial in (1, 2, 3) for name in ("TrialStarted", "TrialEnded")
    ]


def rounded(event: events.Event) -> events.Event:
    """What the record keeps of a sample: to the microsecond."""
    match event:
        case events.HostSampled():
            return replace(event, sample=replace(event.sample, values=in_us(event.sample.values)))
        case events.SystemSampled():
            return replace(event, sample=replace(event.sample, values=in_us(event.sample.values)))
    return event


def in_us(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in values.items()}


def test_a_whole_run_comes_in_the_order_of_its_times(tmp_path: Path) -> None:
    run = make_run(tmp_path, trials=2)
    with RunTail(run) as tail:
        seen = list(tail.new())
    for trial, own in groupby(
        (event for event in seen if isinstance(event, events.FrameRecorded | events.PhaseStarted)),
        key=lambda event: event.trial,
    ):
        times = [
            event.at_s if isinstance(event, events.PhaseStarted) else event.frame.end_ns / 1e9
            for event in own
        ]
        assert times == sorted(times), trial


def test_a_frame_whose_histograms_have_no_samples_is_one_as_any_other(tmp_path: Path) -> None:
    """As a worker writes them: an interval in which nothing was opened, nothing was late."""
    frame = next(
        event.frame for event in happened(1) if isinstance(event, events.FrameRecorded) and event.frame.parts
    )
    parts = tuple(replace(part, latency="", service_time="", lateness="") for part in frame.parts)
    empty = events.FrameRecorded(1, replace(frame, connect="", tls_handshake="", parts=parts))
    with RunWriter.create(tmp_path, "made-run", PLAN_TEXT, json.dumps(compiled_plan())) as writer:
        writer.append(events.RunStarted(writer.path.name, "made-run", 1))
        writer.append(happened(1)[0])
        writer.append(empty)
        writer.append(events.RunEnded("interrupted"))
    with RunTail(writer.path) as tail:
        assert [event for event in tail.new() if isinstance(event, events.FrameRecorded)] == [empty]


def test_a_run_that_was_cut_off_and_gone_on_with_begins_again(tmp_path: Path) -> None:
    run = make_run(tmp_path, trials=1, end=False)
    with RunTail(run) as tail:
        assert not [event for event in tail.new() if isinstance(event, events.RunEnded)]
        with RunWriter.reopen(run, 1) as writer:
            writer.append(events.RunStarted(run.name, "made-run", 24))
            writer.append(events.RunEnded("interrupted"))
            assert list(tail.new())[-1] == events.RunEnded("interrupted")
        with RunWriter.reopen(run, 1) as writer:
            writer.append(events.RunStarted(run.name, "made-run", 24))
            assert list(tail.new()) == [events.RunStarted(run.name, "made-run", 24)]


def test_a_note_of_a_person_is_seen_and_a_row_that_is_damaged_is_passed_over(tmp_path: Path) -> None:
    run = make_run(tmp_path, trials=1)
    amend(run, "UPDATE frames SET counters = '{' WHERE id = 3")
    with RunTail(run) as tail:
        whole = [event for event in tail.new() if isinstance(event, events.FrameRecorded)]
        add_note(run, "the window was opened")
        assert list(tail.new()) == [events.Noted("person", "the window was opened")]
        (frames,) = tail.reader._rows._all("SELECT count(*) FROM frames")
    assert len(whole) == frames[0] - 1


def test_two_that_read_a_record_at_once_are_given_each_event_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each gives way to the other after every event.
    monkeypatch.setattr("seatrial.live.watcher.PIECE_S", -1.0)
    run = make_run(tmp_path, trials=2)
    with RunTail(run) as tail:
        given = list(tail.new())

    async def seen() -> list[events.Event]:
        found: list[events.Event] = []
        with Watcher(run) as watcher:
            watcher.subscribe(lambda event, _: found.append(event))
            await asyncio.gather(watcher.catch_up(), watcher.catch_up())
        return found

    assert asyncio.run(seen()) == given
