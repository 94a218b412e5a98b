"""The page that a Prometheus scrapes, in the format that it asks for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from seatrial.live.exposition import protobuf
from seatrial.live.exposition.catalogue import families_of
from seatrial.live.exposition.text import OPENMETRICS, PROMETHEUS, Page

if TYPE_CHECKING:
    from seatrial.live.exposition.board import Board

PATH = "/metrics"


class Endpoint:
    """Answers scrapes of one board.

    ``scraped`` is how often it was; ``scraped_again`` is set by the first scrape after :meth:`expect_last`.
    """

    def __init__(self, board: Board) -> None:
        self.scraped = 0
        self.scraped_again = asyncio.Event()
        self._board = board
        self._is_last = False

    def app(self) -> web.Application:
        """Return what is served."""
        app = web.Application()
        app.router.add_get(PATH, self._scrape)
        return app

    def expect_last(self) -> None:
        """From here on nothing changes any more: one more scrape has it all."""
        self._is_last = True

    async def _scrape(self, request: web.Request) -> web.Response:
        self.scraped += 1
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
