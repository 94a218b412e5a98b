"""What is exposed as being there now is there: of a load that has ended nothing is."""

from __future__ import annotations

from tests.support.made_run import Twist, compiled_plan, trial_events

from seatrial.live.exposition.board import Board
from seatrial.live.exposition.catalogue import families_of
from seatrial.live.model.run import LiveRun
from seatrial.record import events


def gauges(board: Board) -> dict[tuple[str, str], object]:
    return {
        (family.name.removeprefix("seatrial_"), one.labels.get("state", "")): one.value
        for family in families_of(board)
        for one in family.series
    }


def test_what_a_load_held_is_not_there_once_it_has_ended() -> None:
    board, live = Board(), LiveRun()
    before: dict[tuple[str, str], object] = {}
    for event in trial_events(1, 1, compiled_plan()["cases"][1], 1, Twist()):
        if isinstance(event, events.LoadEnded):
            before = gauges(board)
        board.take(event, tuple(live.take(event)))
        if isinstance(event, events.LoadEnded):
            break
    names = [("connections", "active"), ("workers", "")]
    assert all(before[name] for name in names)
    after = gauges(board)
    assert [after[name] for name in (*names, ("connections", "held"), ("requests_in_flight", ""))] == [0] * 4
    assert ("asked_requests_per_second", "") not in after
    # What was counted stays.
    assert after["intended_requests", ""] == before["intended_requests", ""]
