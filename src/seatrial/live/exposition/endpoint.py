"""The page that a Prometheus scrapes, in the format that it asks for."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from aiohttp import web

from seatrial.live.exposition import protobuf
from seatrial.live.exposition.catalogue import families_of
from seatrial.live.exposition.text import OPENMETRICS, PROMETHEUS, Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from seatrial.live.exposition.board import Board

PATH = "/metrics"
SILENT_S, MISSED = 5.0, 3
"""Who has missed three scrapes, and not by a moment, has gone."""


class Endpoint:
    """Answers scrapes of one board.

    ``scraped`` is how often it was; ``scraped_again`` is set by the first scrape after :meth:`expect_last`. ``note``
    takes a line for the journal: whoever scraped comes no more, and ``is_missed``. Once it ``has_failed`` there is
    nothing to scrape: a Prometheus takes its series for gone.
    """

    def __init__(self, board: Board, note: Callable[[str], None] = lambda _: None) -> None:
        self.scraped = 0
        self.scraped_again = asyncio.Event()
        self._board = board
        self._note = note
        self._last_s = self._interval_s = 0.0
        self.is_missed = False
        self._is_last = self.has_failed = False

    def app(self) -> web.Application:
        """Return what is served."""
        app = web.Application()
        app.router.add_get(PATH, self._scrape)
        return app

    def expect_last(self) -> None:
        """From here on nothing changes any more: one more scrape has it all."""
        self._is_last = True

    async def mind(self) -> None:
        """Note once that who scraped comes no more, until somebody comes again."""
        while True:
            await asyncio.sleep(1.0)
            silent_s = time.monotonic() - self._last_s
            if (
                self.scraped > 1
                and not self.is_missed
                and silent_s > max(SILENT_S, MISSED * self._interval_s)
            ):
                self.is_missed = True
                self._note(
                    f"nobody has scraped the metrics for {silent_s:.0f} s; it was every {self._interval_s:.0f} s"
                )

    def _count(self) -> None:
        now_s = time.monotonic()
        if self.scraped and not self.is_missed:
            self._interval_s = now_s - self._last_s
        self.scraped, self._last_s, self.is_missed = self.scraped + 1, now_s, False

    async def _scrape(self, request: web.Request) -> web.Response:
        self._count()
        if self.has_failed:
            self.scraped_again.set()
            raise web.HTTPServiceUnavailable(text="the run is not followed any more: its journal says why")
        families = families_of(self._board)
        accepted = request.headers.get("Accept", "")
        if _wants_protobuf(accepted):
            body, kind = protobuf.page(families), protobuf.CONTENT_TYPE
        elif "application/openmetrics-text" in accepted:
            body, kind = Page(families).openmetrics(), OPENMETRICS
        else:
            body, kind = Page(families).prometheus(), PROMETHEUS
        response = web.Response(body=body, headers={"Content-Type": kind})
        response.enable_compression()
        if self._is_last:
            self.scraped_again.set()
        return response


def _wants_protobuf(accepted: str) -> bool:
    """Return whether a scrape prefers Protocol Buffers: one with native histograms names them first."""
    first = accepted.split(",", 1)[0]
    return first.startswith("application/vnd.google.protobuf") and "delimited" in first
