"""The simulator as a web application: each call is held against limits and faults, answered, and counted."""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from seatrial.faults.control import controlled
from seatrial.faults.fault import DEFAULT_TIMEOUT_S
from seatrial.faults.happening import BROKEN_OFF, BrokenOff, break_off
from seatrial.openstack.api.answers import (
    BODY_LIMIT,
    Face,
    Refused,
    base_of,
    refusal,
    unauthorized,
)
from seatrial.openstack.api.balancing import Balancing
from seatrial.openstack.api.context import PAGE_FAULT, look_up_token
from seatrial.openstack.api.identity import Identity
from seatrial.openstack.api.shown import Shown
from seatrial.openstack.api.versions import version_routes
from seatrial.openstack.control import PREFIX, Control

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from seatrial.faults.planted import Planted
    from seatrial.openstack.cloud.tokens import Token
    from seatrial.openstack.faults.fault import CloudFault
    from seatrial.openstack.simulation import Simulation

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOOK_EVERY_S = 0.1
"""Whether a client that is not answered has given up."""
UNKNOWN_PATH = "(unknown)"


class Site:
    """One simulated cloud, served."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def application(self) -> web.Application:
        """Return the application."""
        simulation, settings = self._simulation, self._simulation.settings
        application = web.Application(middlewares=[self._middleware], client_max_size=BODY_LIMIT)
        clock = simulation.cloud.clock
        identity = Identity(simulation.directory, simulation.tokens, clock, settings.page_limit)
        application.add_routes([*identity.routes(), *version_routes(), *Control(simulation).routes()])
        for face in (Face.NEUTRON, Face.OCTAVIA):
            balancing = Balancing(
                face, simulation.cloud, Shown(clock), round(settings.pending_s * 1e9), settings.page_limit
            )
            application.add_routes(balancing.routes())
        return application

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == PREFIX or request.path.startswith(f"{PREFIX}/"):
            self._simulation.cloud.settle()
            return await controlled(request, handler)
        began_ns = time.monotonic_ns()
        token = look_up_token(request, self._simulation.tokens)
        try:
            answer = await self._answered(request, handler, token)
            status = answer.status
        except BrokenOff:
            # There is nobody to send it to.
            answer, status = web.Response(), BROKEN_OFF
        answer.headers["x-openstack-request-id"] = f"req-{uuid.uuid4()}"
        resource = request.match_info.route.resource
        self._simulation.calls.add(
            request.method if resource is not None else "ANY",
            UNKNOWN_PATH if resource is None else resource.canonical,
            None if token is None or token.project is None else token.project.id,
            status,
            (time.monotonic_ns() - began_ns) // 1_000,
        )
        return answer

    async def _answered(
        self, request: web.Request, handler: Handler, token: Token | None
    ) -> web.StreamResponse:
        face = _face(request.path)
        try:
            self._hold_against_limit(token)
            await self._befall(request, token)
            self._simulation.cloud.settle()
            return await handler(request)
        except Refused as refused:
            return refusal(face, refused)
        except web.HTTPException as error:
            return refusal(face, Refused(error.status, _http_words(error), "HTTPNotFound"))
        except BrokenOff:
            raise
        except Exception as error:  # noqa: BLE001 - a bug ends one answer, and nothing else
            return refusal(face, Refused(500, f"seatrial has a bug: {type(error).__name__}: {error}"))

    def _hold_against_limit(self, token: Token | None) -> None:
        wait_s = 0.0 if token is None else self._simulation.rate_limit.wait_s(token.value)
        if wait_s > 0:
            raise _too_many(wait_s)

    async def _befall(self, request: web.Request, token: Token | None) -> None:
        project = None if token is None else token.project
        latency_s, planted = self._simulation.faults.befalling(
            lambda fault: fault.is_about(request.method, request.path, project)
        )
        if latency_s:
            await asyncio.sleep(latency_s)
        if planted is not None:
            await self._happen(request, token, planted)

    async def _happen(self, request: web.Request, token: Token | None, planted: Planted[CloudFault]) -> None:
        """Do what a fault does; raises ``Refused`` or ``BrokenOff`` where there is no more to answer."""
        fault = planted.fault
        if fault.kind == "page":
            request[PAGE_FAULT] = planted
        elif fault.kind == "token":
            if token is not None:
                self._simulation.tokens.revoke(token.value)
            raise unauthorized(base_of(request))
        elif fault.kind == "status":
            raise _status(fault.status or 500, fault.retry_after_s)
        else:
            if fault.kind == "timeout":
                await _until_given_up(request, fault.time_s or DEFAULT_TIMEOUT_S)
            break_off(request)
            raise BrokenOff


def _face(path: str) -> Face:
    return next((face for face in Face if path.startswith(f"/{face.value}")), Face.KEYSTONE)


def _http_words(error: web.HTTPException) -> str:
    if error.status == HTTPStatus.NOT_FOUND:
        return "The resource could not be found."
    return error.reason


def _too_many(wait_s: float) -> Refused:
    seconds = str(max(1, math.ceil(wait_s)))
    return Refused(429, "This request was rate-limited.", "OverLimit", {"Retry-After": seconds})


def _status(status: int, retry_after_s: float | None) -> Refused:
    if status == HTTPStatus.TOO_MANY_REQUESTS and retry_after_s is None:
        return _too_many(1.0)
    headers = {} if retry_after_s is None else {"Retry-After": str(math.ceil(retry_after_s))}
    return Refused(status, "A fault of the simulator.", "SimulatedFault", headers)


async def _until_given_up(request: web.Request, time_s: float) -> None:
    end_s = time.monotonic() + time_s
    # Neither aiohttp nor a transport says when a client goes, unless every handler is cancelled by that.
    while (  # noqa: ASYNC110
        time.monotonic() < end_s and request.transport is not None and not request.transport.is_closing()
    ):
        await asyncio.sleep(min(LOOK_EVERY_S, time_s))
