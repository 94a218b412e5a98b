"""Columns that are folded keep what they count, and every peak; pieces are there for who goes on, or not at all."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.made_run import Twist, compiled_plan, made_account, made_frames, make_run

from seatrial.discovery.facts import QueueSample
from seatrial.live.model.run import LiveRun
from seatrial.live.tail import RunTail
from seatrial.live.web.history.columns import Columns, rows_each
from seatrial.live.web.history.discovery import DiscoveryHistory
from seatrial.live.web.history.trials import RunHistory, fold_of
from seatrial.live.web.watch.pieces import KEPT, Pieces
from seatrial.record import events
from seatrial.record.reader import RunReader

CASES = compiled_plan()["cases"]


def made(rows: int, seed: int = 1) -> tuple[Columns, list[dict[str, float | None]]]:
    draw = random.Random(seed)
    columns, given = Columns(fold_of), []
    end_s = 0.0
    for _ in range(rows):
        start_s, end_s = end_s, end_s + draw.uniform(0.5, 1.5)
        row: dict[str, float | None] = {
            "start": start_s,
            "end": end_s,
            "completed_per_s": draw.uniform(0, 1_000),
            "completed": draw.randrange(1_000),
            "held": draw.randrange(100),
            "p99_us": None if draw.random() < 0.2 else draw.randrange(1, 10_000),
        }
        if draw.random() < 0.1:
            row["errors:timeout"] = draw.randrange(5)
        columns.append(row)
        given.append(row)
    return columns, given


@pytest.mark.parametrize("each", [1, 2, 7, 250, 1_000])
def test_a_point_stands_for_its_rows(each: int) -> None:
    columns, given = made(250)
    found = columns.folded(each).document()
    groups = [given[at : at + each] for at in range(0, len(given), each)]
    assert found["start"] == [round(group[0]["start"] or 0, 4) for group in groups]
    assert found["end"] == [round(group[-1]["end"] or 0, 4) for group in groups]
    assert found["completed"] == [sum(row["completed"] or 0 for row in group) for group in groups]
    assert found["held"] == [min(row["held"] or 0 for row in group) for group in groups]
    for point, group in zip(found["p99_us"], groups, strict=True):
        assert point == max((row["p99_us"] for row in group if row["p99_us"] is not None), default=None)
    for point, group in zip(found["errors:timeout"], groups, strict=True):
        known = [row["errors:timeout"] for row in group if row.get("errors:timeout") is not None]
        assert point == (sum(one or 0 for one in known) if known else None)
    for rate, group in zip(found["completed_per_s"], groups, strict=True):
        lengths = [(row["end"] or 0) - (row["start"] or 0) for row in group]
        total = sum(
            (row["completed_per_s"] or 0) * length for row, length in zip(group, lengths, strict=True)
        )
        assert rate == pytest.approx(total / sum(lengths), abs=1e-3)


def test_a_rate_that_was_not_asked_for_is_no_rate_of_0() -> None:
    columns = Columns(fold_of)
    for at, asked in enumerate((None, None, None, 100.0)):
        columns.append({"start": at, "end": at + 1, "asked_per_s": asked})
    assert columns.folded(2).document()["asked_per_s"] == [None, 100]


@pytest.mark.parametrize(
    "lengths", [[], [5], [2_000], [2_001], [86_400], [30] * 500, [1, 10_000, 3], [7] * 1_999]
)
def test_series_fit_into_a_page(lengths: list[int]) -> None:
    each = rows_each(lengths, 2_000)
    assert sum(-(-length // each) for length in lengths) <= 2_000
    if sum(lengths) <= 2_000:
        assert each == 1


def test_more_trials_than_points_have_one_each() -> None:
    each = rows_each([9] * 3_000, 2_000)
    assert math.ceil(9 / each) == 1


def test_who_goes_on_gets_each_piece_once_and_who_was_away_too_long_gets_none() -> None:
    pieces = Pieces()
    assert pieces.after(0) == []
    for number in range(1, KEPT + 51):
        pieces.add(b"%d" % number)
    assert pieces.after(50) == [(number, b"%d" % number) for number in range(51, KEPT + 51)]
    assert pieces.after(49) is None
    assert pieces.after(pieces.last) == []
    # Of a number that was never given, by whoever made it up.
    assert pieces.after(pieces.last + 1) is None
    assert pieces.number_of(pieces.id_of(77)) == 77
    assert pieces.number_of(Pieces().id_of(77)) is None
    for given in ("", ":", "7", f"{pieces.nonce}:", f"{pieces.nonce}:-1", f"{pieces.nonce}:{'9' * 40}"):
        assert pieces.number_of(given) is None


def test_large_pieces_are_not_kept_without_end() -> None:
    pieces = Pieces()
    for _ in range(40):
        pieces.add(bytes(1_000_000))
    assert pieces.after(24) is not None
    assert pieces.after(10) is None


def test_who_waits_is_woken_by_a_piece() -> None:
    async def waits() -> None:
        pieces = Pieces()
        waiting = asyncio.create_task(pieces.wait_after(0, 60.0))
        await asyncio.sleep(0)
        pieces.add(b"news")
        await asyncio.wait_for(waiting, 5.0)
        await pieces.wait_after(1, 0.01)

    asyncio.run(waits())


def test_the_last_moment_of_a_load_is_counted_and_is_no_rate(tmp_path: Path) -> None:
    """A few answers that come within half a millisecond once nothing is sent any more are not 6,000 a second."""
    frames = list(made_frames(1, CASES[5], Twist()))
    last_ns = max(frame.end_ns for frame in frames)
    frames += [replace(frame, seq=99, start_ns=last_ns, end_ns=last_ns + 500_000) for frame in frames[-2:]]
    account = made_account(1, CASES[5])
    assert account.driven is not None
    live = LiveRun()
    with RunReader.open(make_run(tmp_path, trials=1)) as reader:
        history = RunHistory(reader)
        happened: list[events.Event] = [
            events.TrialStarted(1, "a", "envoy", 1, 1, 1, 5_015.0),
            events.LoadStarted(1, account.asked, account.hellos),
            *(events.FrameRecorded(1, frame) for frame in frames),
            events.LoadEnded(1, account.driven, account.cost),
        ]
        for event in happened:
            history.take(event, tuple(live.take(event)))
    found = history.trials[1].load.document()
    parts = [part for frame in frames for part in frame.parts]
    assert sum(value or 0 for value in found["completed"]) == sum(part.completed for part in parts)
    assert found["completed_per_s"][-1] is None
    assert max(value for value in found["completed_per_s"] if value is not None) <= 2_000


def test_what_a_discoverer_did_is_what_the_record_has_and_comes_in_few_rows(tmp_path: Path) -> None:
    run, live = make_run(tmp_path, systems=("envoy",), trials=1, discovers=True), LiveRun()
    with RunReader.open(run) as reader, RunTail(run) as tail:
        history = RunHistory(reader)
        for event in tail.new():
            history.take(event, tuple(live.take(event)))
        reached, looks, steps = reader.milestones(1), reader.queue_samples(1), reader.steps(1)
    trial = history.trials[1]
    found = trial.discovery.document()
    began_s = trial.started.at_s
    for end_s, asked, there in zip(found["end"], found["asked"], found["there"], strict=True):
        assert end_s is not None
        before, by_then = (
            Counter(one.milestone for one in reached if one.at_s - began_s <= end_s + apart_s)
            for apart_s in (-0.001, 0.001)
        )
        # What comes in the same moment as a look is in its row, or in the next one.
        assert before["replicated"] <= (there or 0) <= by_then["replicated"]
        assert before["asked"] <= (asked or 0) <= by_then["asked"]
    assert (found["asked"][-1], found["there"][-1]) == (3, 3)
    assert max(depth for depth in found["depth"] if depth is not None) == max(one.depth or 0 for one in looks)
    assert (found["depth"][-1], found["done"][-1]) == (0, looks[-1].done)
    assert [(one["step"], one["asked"]) for one in trial.head["steps"]] == [
        (one.step, one.asked) for one in steps
    ]


def test_ten_thousand_services_at_once_are_few_rows_and_no_peak_of_the_queue_is_lost() -> None:
    history = DiscoveryHistory(lambda at_s: at_s, Columns(fold_of))
    assert history.take(events.StepStarted(1, "all", "", 10.0))
    for milestone, place in (("asked", "source"), ("replicated", "destination")):
        for number in range(10_000):
            at_s = 10.0 if milestone == "asked" else 11.0 + number / 10_000
            what = (f"ns/{number}", "all", 1)
            history.take(events.MilestoneReached(1, *what, milestone, place, at_s, at_s))  # type: ignore[arg-type]
    for at_s, depth in ((12.0, 5.0), (12.05, 900.0), (12.1, 4.0), (12.4, 3.0), (12.7, 2.0)):
        history.take(events.QueueSampled(1, QueueSample(at_s, depth)))
    history.finish(13.0)
    found = history.columns.document()
    assert len(found["end"]) < 20
    # All were asked for in one moment: nothing slopes up to them.
    assert all(asked in {0, 10_000} for asked in found["asked"])
    assert min(end for end, asked in zip(found["end"], found["asked"], strict=True) if asked and end) == 10.0
    assert (found["asked"][-1], found["there"][-1]) == (10_000, 10_000)
    assert max(depth or 0 for depth in found["depth"]) == 900
