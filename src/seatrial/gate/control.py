"""The gate's own API, ``/gate``: what went through it, and what is to go wrong. None of it is counted as a call."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from aiohttp import web

from seatrial.faults.control import FaultControl, controlled, json_answer, read_number
from seatrial.gate.calls import FIELDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from seatrial.faults.planted import Faults
    from seatrial.gate.calls import Calls
    from seatrial.gate.fault import GateFault

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PREFIX = "/gate"
SCHEMA = "seatrial.gate/1"
ROWS_LIMIT = 10_000
"""Of one answer."""
ROWS_AT_A_TIME = 100
"""Written before the next call is answered: less than a millisecond of work."""


class Control:
    """Answers for the gate itself; ``refused`` says how many calls had no right to it."""

    def __init__(self, calls: Calls, faults: Faults[GateFault], refused: Callable[[], int]) -> None:
        self._calls = calls
        self._faults = faults
        self._refused = refused

    def application(self) -> web.Application:
        """Return it as an application."""
        application = web.Application(middlewares=[web.middleware(controlled)])
        application.add_routes(
            [
                web.get(PREFIX, self._state),
                web.get(f"{PREFIX}/calls", self._rows),
                *FaultControl(PREFIX, self._faults).routes(),
            ]
        )
        return application

    async def _state(self, _: web.Request) -> web.Response:
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "now_ns": time.monotonic_ns(),
            "cpu_s": time.process_time(),
            "refused": self._refused(),
        }
        return json_answer(document | self._calls.document())

    async def _rows(self, request: web.Request) -> web.StreamResponse:
        after, limit = read_number(request, "after", 0), read_number(request, "limit", ROWS_LIMIT)
        dropped = self._calls.dropped
        rows = list(self._calls.after(after, min(limit, ROWS_LIMIT)))
        next_after = rows[-1][0] if rows else max(after, dropped)
        parts = [b'{"calls":[']
        for at in range(0, len(rows), ROWS_AT_A_TIME):
            some = (json.dumps(dict(zip(FIELDS, row, strict=True))) for row in rows[at : at + ROWS_AT_A_TIME])
            parts.append((b"," if at else b"") + ",".join(some).encode())
            # The calls of the client come first.
            await asyncio.sleep(0)
        parts.append(f'],"next_after":{next_after},"dropped":{dropped}}}'.encode())
        return web.Response(body=b"".join(parts), content_type="application/json")
