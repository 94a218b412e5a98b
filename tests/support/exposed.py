"""A run's metrics, exposed from a thread of the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from seatrial.live.exposition.board import Board
from seatrial.live.exposition.clock import offset_s
from seatrial.live.exposition.endpoint import Endpoint
from seatrial.live.watcher import Watcher
from seatrial.record.events import LoadEnded, TrialEnded


async def board_of(run: Path, going_on: int | None = None) -> Board:
    """Return what is exposed of a run; ``going_on`` is a trial whose load goes on."""
    board = Board()
    with Watcher(run) as watcher:
        board.offset_of = lambda begun: offset_s(watcher.reader, begun)
        watcher.subscribe(
            lambda event, found: (
                None
                if isinstance(event, LoadEnded | TrialEnded) and event.trial == going_on
                else board.take(event, found)
            )
        )
        await watcher.catch_up()
    return board


@contextmanager
def serving(run: Path, going_on: int | None = None) -> Iterator[str]:
    """Serve a run's metrics from a thread of its own; yield where."""
    loop, ready, found = asyncio.new_event_loop(), threading.Event(), list[Any]()

    async def begin() -> None:
        runner = web.AppRunner(Endpoint(await board_of(run, going_on)).app())
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        found.extend((runner, runner.addresses[0]))
        ready.set()

    thread = threading.Thread(target=lambda: (loop.run_until_complete(begin()), loop.run_forever()))
    thread.start()
    try:
        assert ready.wait(30)
        yield "{}:{}".format(*found[1])
    finally:
        asyncio.run_coroutine_threadsafe(found[0].cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
