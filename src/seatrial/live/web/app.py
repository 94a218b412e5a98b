"""The page's server: what each address answers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aiohttp import web

from seatrial.errors import SeatrialError
from seatrial.live.web.events import Streams
from seatrial.live.web.history.trials import POINTS_LIMIT
from seatrial.live.web.runs import TooManyRuns
from seatrial.record.journal import add_note

if TYPE_CHECKING:
    from seatrial.live.web.guard import Guard
    from seatrial.live.web.runs import Runs
    from seatrial.live.web.watch.watched import Watched

STATIC = Path(__file__).parent / "static"
BODY_LIMIT = 16_384
NOTE_LIMIT = 2_000
"""Characters: a note is a sentence or a few."""

# It is a document of its own, with scripts that draw its charts; it may do nothing else, and is of no origin.
REPORT_HEADERS = {
    "Content-Security-Policy": "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline' 'unsafe-eval'; img-src data: blob:; frame-ancestors 'self'",
}


class Site:
    """Everything that is answered, over the runs of one folder."""

    def __init__(self, runs: Runs, guard: Guard) -> None:
        self._runs = runs
        self._guard = guard
        self._streams = Streams()

    def application(self) -> web.Application:
        """Return the application; its end ends every stream."""
        application = web.Application(middlewares=[self._guard.middleware], client_max_size=BODY_LIMIT)
        application.add_routes(
            [
                web.get("/", self._first),
                web.get("/runs", self._page),
                web.get("/compare", self._page),
                web.get("/run/{run}", self._page),
                web.get("/run/{run}/report", self._report),
                web.get("/api/runs", self._list),
                web.get("/api/run/{run}/events", self._events),
                web.get("/api/run/{run}/trial/{trial}", self._trial),
                web.get("/api/run/{run}/course", self._course),
                web.post("/api/run/{run}/notes", self._note),
                web.static("/static", STATIC),
            ]
        )
        application.on_shutdown.append(self._stop)
        return application

    async def _stop(self, _: web.Application) -> None:
        self._streams.stop()

    async def _first(self, _: web.Request) -> web.Response:
        first = self._runs.first
        where = "/runs" if first is None else f"/run/{quote(first, safe='')}"
        return web.Response(status=302, headers={"Location": where})

    async def _page(self, _: web.Request) -> web.Response:
        # Of every address the page itself finds out what it is to show.
        text = (STATIC / "page.html").read_text(encoding="utf-8")
        return web.Response(
            text=text.replace("{{ token }}", self._guard.write_token), content_type="text/html"
        )

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response(await asyncio.to_thread(self._runs.listed))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        return await self._streams.send(request, await self._run(request))

    async def _course(self, request: web.Request) -> web.Response:
        run = await self._run(request)
        await run.ready()
        return web.Response(body=run.snapshot()[1], content_type="application/json")

    async def _trial(self, request: web.Request) -> web.Response:
        run, number = await self._run(request), request.match_info["trial"]
        await run.ready()
        found = run.trial(int(number), POINTS_LIMIT) if number.isdecimal() and len(number) < 9 else None
        if found is None:
            raise web.HTTPNotFound(text="there is no such trial, or it has not begun")
        return web.json_response(found)

    async def _report(self, request: web.Request) -> web.Response:
        path = self._runs.path_of(request.match_info["run"])
        report = None if path is None else path / "report.html"
        if report is None or report.is_symlink() or not report.is_file():
            raise web.HTTPNotFound(text="there is no report yet: it is written when the run is over")
        body = await asyncio.to_thread(report.read_bytes)
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers=REPORT_HEADERS)

    async def _note(self, request: web.Request) -> web.Response:
        path = self._runs.path_of(request.match_info["run"])
        if path is None:
            raise web.HTTPNotFound(text="there is no such run")
        text = _note_in(await request.read())
        try:
            await asyncio.to_thread(add_note, path, text)
        except SeatrialError as error:
            raise web.HTTPInsufficientStorage(text=error.line) from error
        return web.json_response({"noted": text}, status=201)

    async def _run(self, request: web.Request) -> Watched:
        try:
            found = await self._runs.followed(request.match_info["run"])
        except TooManyRuns as error:
            raise web.HTTPServiceUnavailable(text=error.line) from error
        if found is None:
            raise web.HTTPNotFound(text="there is no such run")
        return found


def _note_in(body: bytes) -> str:
    try:
        document: Any = json.loads(body)
        text = " ".join(document["text"].split())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise web.HTTPBadRequest(text='a note is {"text": "..."}') from error
    if not text:
        raise web.HTTPBadRequest(text="the note is empty")
    if len(text) > NOTE_LIMIT:
        raise web.HTTPRequestEntityTooLarge(
            NOTE_LIMIT, len(text), text=f"a note has {NOTE_LIMIT:,} characters at most"
        )
    return text
