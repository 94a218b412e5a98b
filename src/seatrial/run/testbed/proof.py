"""Whether every route is live before anything is measured: each is asked once, through each member of the system."""

from __future__ import annotations

import asyncio
import http.client
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from seatrial.errors import SystemFault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from seatrial.machine.address import Endpoint
    from seatrial.topology.expand import Route, Topology

CONNECTIONS = 16
"""How many ask at a time: enough for a proxy that is far away, and no load on one that is near."""

ANSWER_LIMIT_S = 5.0

LIVE_LIMIT_S, AGAIN_S = 10.0, 0.2
"""A system is ready before this begins; some still spread what they have read to their workers."""

NAMED = 3


@dataclass(frozen=True, slots=True)
class Dead:
    """A route that did not answer as the origin does, through one member."""

    route: Route
    endpoint: Endpoint
    what: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a live route answers: the origin's status, and within which time."""

    status: int = 200
    within_s: float = ANSWER_LIMIT_S


async def prove(topology: Topology, endpoints: Sequence[Endpoint], answer: Answer) -> None:
    """Ask for every route through every endpoint until each has answered as the origin does.

    Raises ``SystemFault`` that names the routes which do not, so long after all were asked once as ``LIVE_LIMIT_S``.
    """
    left = [(route, endpoint) for endpoint in endpoints for route in topology.routes]
    deadline_s = None
    while left:
        dead = await asyncio.to_thread(_ask_all, left, answer)
        deadline_s = deadline_s or time.monotonic() + LIVE_LIMIT_S
        if dead and time.monotonic() > deadline_s:
            raise _fault(dead, len(topology.routes), endpoints)
        left = [(one.route, one.endpoint) for one in dead]
        if left:
            await asyncio.sleep(AGAIN_S)


def _ask_all(asked: Sequence[tuple[Route, Endpoint]], answer: Answer) -> list[Dead]:
    shares = [tuple(islice(asked, first, None, CONNECTIONS)) for first in range(min(CONNECTIONS, len(asked)))]
    with ThreadPoolExecutor(len(shares)) as pool:
        return [dead for found in pool.map(lambda share: _ask(share, answer), shares) for dead in found]


def _ask(asked: Sequence[tuple[Route, Endpoint]], answer: Answer) -> list[Dead]:
    """Ask one after another, over one connection to each endpoint."""
    connections: dict[Endpoint, http.client.HTTPConnection] = {}
    dead = []
    try:
        for route, endpoint in asked:
            connection = connections.setdefault(endpoint, _connection(endpoint, answer.within_s))
            try:
                connection.request("GET", route.prefix, headers={"Host": route.authority})
                response = connection.getresponse()
                response.read()
                if response.status != answer.status:
                    what = f"answered {response.status} in place of {answer.status}"
                    dead.append(Dead(route, endpoint, what))
            except (OSError, http.client.HTTPException) as error:
                # It connects anew with the next request.
                connection.close()
                dead.append(Dead(route, endpoint, f"gave no answer ({error or type(error).__name__})"))
    finally:
        for connection in connections.values():
            connection.close()
    return dead


def _connection(endpoint: Endpoint, limit_s: float) -> http.client.HTTPConnection:
    if endpoint.ca is None:
        return http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=limit_s)
    context = ssl.create_default_context(cafile=endpoint.ca)
    return http.client.HTTPSConnection(endpoint.host, endpoint.port, timeout=limit_s, context=context)


def _fault(dead: Sequence[Dead], routes: int, endpoints: Sequence[Endpoint]) -> SystemFault:
    member: Callable[[Endpoint], str] = lambda one: (  # noqa: E731
        f" through member {endpoints.index(one) + 1}" if len(endpoints) > 1 else ""
    )
    named = [f"{one.route.name}{member(one.endpoint)} {one.what}" for one in dead[:NAMED]]
    more = f", and {len(dead) - NAMED:,} more" if len(dead) > NAMED else ""
    asked = routes * len(endpoints)
    return SystemFault(
        f"{len(dead):,} of {asked:,} routes are dead: {', '.join(named)}{more}",
        cause="the system is up and does not serve them",
        next_step="read its configuration and its log in the run directory; nothing was measured",
    )
