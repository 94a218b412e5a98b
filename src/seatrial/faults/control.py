"""What the control API of every such program has: JSON in and out, refusals in words, and its faults.

It is for the tests of this machine, and for no page of elsewhere in a browser.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Generic

from aiohttp import web

from seatrial.faults.fault import AnyFault, read_fault
from seatrial.faults.planted import FAULTS_LIMIT, TooManyFaults

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from seatrial.faults.planted import Faults

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refusal(Exception):
    """What a control API does not do; the text says why."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


def json_answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a document as an answer."""
    return web.Response(
        body=json.dumps(document, separators=(",", ":")).encode(),
        status=status,
        headers=headers,
        content_type="application/json",
    )


async def controlled(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a call to a control API, in its words where it is refused."""
    # A page of elsewhere in a browser on this machine says where it is from.
    if "Origin" in request.headers:
        return json_answer({"error": "the control API is not for browsers"}, 403)
    try:
        return await handler(request)
    except Refusal as refused:
        return json_answer({"error": refused.text}, refused.status)
    except web.HTTPException as error:
        return json_answer({"error": error.reason}, error.status)


async def read_json(request: web.Request) -> Any:
    """Return the body of a call; raises ``Refusal``."""
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise Refusal("the body is no JSON") from error


def read_number(request: web.Request, key: str, default: int) -> int:
    """Return a number of the query; raises ``Refusal``."""
    given = request.query.get(key, str(default))
    if not (given.isascii() and given.isdecimal() and len(given) < 16):
        raise Refusal(f"{key}={given} is no number")
    return int(given)


class FaultControl(Generic[AnyFault]):
    """How faults are listed, planted and lifted, below ``prefix``."""

    def __init__(self, prefix: str, faults: Faults[AnyFault]) -> None:
        self._at = f"{prefix}/faults"
        self._all = faults

    def routes(self) -> list[web.RouteDef]:
        """Return what is answered."""
        return [
            web.get(self._at, self._list),
            web.post(self._at, self._plant),
            web.delete(self._at, self._lift_all),
            web.delete(f"{self._at}/{{fault_id}}", self._lift),
        ]

    async def _list(self, _: web.Request) -> web.Response:
        now_ns = self._all.now_ns()
        return json_answer({"faults": [planted.document(now_ns) for planted in self._all]})

    async def _plant(self, request: web.Request) -> web.Response:
        given = await read_json(request)
        try:
            read = [
                read_fault(self._all.model, one) for one in (given if isinstance(given, list) else [given])
            ]
            planted = self._all.plant(read)
        except ValueError as error:
            raise Refusal(str(error)) from error
        except TooManyFaults as error:
            raise Refusal(f"{FAULTS_LIMIT} faults at a time at most: lift some first", 409) from error
        now_ns = self._all.now_ns()
        return json_answer({"faults": [one.document(now_ns) for one in planted]}, 201)

    async def _lift_all(self, _: web.Request) -> web.Response:
        self._all.lift_all()
        return web.Response(status=204)

    async def _lift(self, request: web.Request) -> web.Response:
        given = request.match_info["fault_id"]
        if not (given.isascii() and given.isdecimal() and self._all.lift(int(given))):
            raise Refusal(f"there is no fault {given}", 404)
        return web.Response(status=204)
