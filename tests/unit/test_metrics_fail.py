"""What goes wrong while a run's metrics are shown."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp.test_utils import TestClient, TestServer
from tests.support.made_run import make_run

from seatrial.live.exposition.board import Board
from seatrial.live.exposition.showing import Exposition
from seatrial.record import events
from seatrial.record.journal import add_note

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_run_that_cannot_be_followed_any_more_is_a_note_and_no_scrape_has_old_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Board.take

    def take(board: Board, event: events.Event, happenings: tuple[()]) -> None:
        if isinstance(event, events.Noted) and event.text == "now":
            raise KeyError("a bug")
        whole(board, event, happenings)

    monkeypatch.setattr(Board, "take", take)
    run = make_run(tmp_path, trials=1, end=False)
    noted: asyncio.Queue[str] = asyncio.Queue()

    async def course() -> tuple[int, str, int]:
        async with (
            Exposition(run, noted.put_nowait) as shown,
            TestClient(TestServer(shown.endpoint.app())) as client,
        ):
            before = (await client.get("/metrics")).status
            add_note(run, "now")
            note = await asyncio.wait_for(noted.get(), 20.0)
            return before, note, (await client.get("/metrics")).status

    before, note, after = asyncio.run(course())
    assert (before, after) == (200, 503)
    assert note == "the metrics of this run end here: KeyError: 'a bug'"
