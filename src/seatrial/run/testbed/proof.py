"""Whether every route leads to its service before anything is measured: each is asked once, through each member.

The request wants to know which endpoint answers, and the origin's answer names it: so a route that is answered, by
another service than its own or by the proxy itself, is found.
"""

from __future__ import annotations

import asyncio
import http.client
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Self

from seatrial.errors import SystemFault
from seatrial.systems.local.http import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from seatrial.machine.address import Endpoint
    from seatrial.machine.namespace import Namespace
    from seatrial.systems.certificate import Certificate
    from seatrial.topology.expand import Route, Topology

CONNECTIONS = 16
"""How many ask at a time: enough for a proxy that is far away, and no load on one that is near."""

ANSWER_LIMIT_S = 5.0
DELAY_MAX_S = 1.0
"""Of an origin that thinks for longer than this nobody can say in time whether it will answer: it is not asked."""

LIVE_LIMIT_S, AGAIN_S = 10.0, 0.2
"""A system is ready before this begins; some still spread what they have read to their workers."""

NAMED = 3

ENDPOINT_FIELD = "Seatrial-Endpoint"
"""With it a request asks for the address at which the origin was asked, and an answer of the origin says it."""


class Asked(NamedTuple):
    """A route, and the member that is asked for it."""

    route: Route
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Dead:
    """A route that its service did not answer, through one member; ``is_answered`` where something else did."""

    route: Route
    endpoint: Endpoint
    what: str
    is_answered: bool = False


@dataclass(frozen=True, slots=True)
class Asking:
    """The status that the origin answers with, and from where it is asked: the network of the load.

    So the load's way to the system is proven as well. ``services`` has the name of each by the addresses of its
    endpoints.
    """

    status: int
    namespace: Namespace | None = None
    services: Mapping[str, str] = field(default_factory=dict)

    def of(self, topology: Topology) -> Self:
        """Return the same with the services of a topology."""
        services = {
            str(endpoint): service.name for service in topology.services for endpoint in service.endpoints
        }
        return replace(self, services=services)


async def prove(topology: Topology, endpoints: Sequence[Endpoint], asking: Asking) -> int:
    """Ask for every route through every endpoint until its service has answered each, with the origin's status.

    Returns how many requests that took. Raises ``SystemFault`` that names the routes which lead elsewhere or nowhere,
    so long after all were asked once as ``LIVE_LIMIT_S``. Called off, it ends with the requests that are under way.
    """
    asked = [Asked(route, endpoint) for endpoint in endpoints for route in topology.routes]

    def left(dead: Sequence[Dead], _: Sequence[Asked]) -> list[Asked]:
        return [Asked(one.route, one.endpoint) for one in dead]

    return await _until_none(
        asked, asking.of(topology), left, lambda dead, _: _dead(dead, len(topology.routes), endpoints)
    )


async def gone(
    before: Topology, routes: Sequence[Route], endpoints: Sequence[Endpoint], asking: Asking
) -> int:
    """Ask for routes that there were ``before`` until their services answer none; return and raise as ``prove``."""
    asked = [Asked(route, endpoint) for endpoint in endpoints for route in routes]

    def left(dead: Sequence[Dead], of: Sequence[Asked]) -> list[Asked]:
        silent = {(one.route, one.endpoint) for one in dead}
        return [one for one in of if one not in silent]

    return await _until_none(asked, asking.of(before), left, lambda _, still: _alive(still))


async def _until_none(
    asked: Sequence[Asked],
    asking: Asking,
    left: Callable[[Sequence[Dead], Sequence[Asked]], list[Asked]],
    fault: Callable[[Sequence[Dead], Sequence[Asked]], SystemFault],
) -> int:
    """Ask, and again for those that are ``left``, until none is; return how many requests that took.

    Raises the ``fault`` so long after all were asked once as ``LIVE_LIMIT_S``.
    """
    deadline_s, requests = None, 0
    given_up = threading.Event()
    try:
        while asked:
            dead = await asyncio.to_thread(_ask_all, asked, asking, given_up)
            requests += len(asked)
            asked = left(dead, asked)
            deadline_s = deadline_s or time.monotonic() + LIVE_LIMIT_S
            if asked and time.monotonic() > deadline_s:
                raise fault(dead, asked)
            if asked:
                await asyncio.sleep(AGAIN_S)
    finally:
        given_up.set()
    return requests


async def shown(
    certificate: Certificate, endpoints: Sequence[Endpoint], namespace: Namespace | None = None
) -> None:
    """Wait until every endpoint shows a certificate to those who connect anew from there; no request is made.

    Raises ``SystemFault`` that names the first which still shows another after ``LIVE_LIMIT_S``.
    """
    wanted = ssl.PEM_cert_to_DER_cert(certificate.cert.read_text())
    deadline_s = time.monotonic() + LIVE_LIMIT_S
    for endpoint in endpoints:
        while await asyncio.to_thread(_certificate_at, endpoint, namespace) != wanted:
            if time.monotonic() > deadline_s:
                raise SystemFault(
                    f"{endpoint} still shows the certificate that it had before",
                    cause="the proxy has not taken the new one",
                    next_step="read its log in the run directory",
                )
            await asyncio.sleep(AGAIN_S)


def _certificate_at(endpoint: Endpoint, namespace: Namespace | None) -> bytes | None:
    client = Client(endpoint, ANSWER_LIMIT_S, namespace)
    try:
        client.connect()
        return client.certificate()
    except OSError:
        return None
    finally:
        client.close()


def _ask_all(asked: Sequence[Asked], asking: Asking, given_up: threading.Event) -> list[Dead]:
    shares = [tuple(islice(asked, first, None, CONNECTIONS)) for first in range(min(CONNECTIONS, len(asked)))]
    with ThreadPoolExecutor(len(shares)) as pool:
        found = pool.map(lambda share: _ask(share, asking, given_up), shares)
        return [dead for share in found for dead in share]


def _ask(asked: Sequence[Asked], asking: Asking, given_up: threading.Event) -> list[Dead]:
    """Ask one after another, over one connection to each endpoint."""
    connections: dict[Endpoint, Client] = {}
    dead = []
    try:
        for route, endpoint in asked:
            if given_up.is_set():
                break
            if (connection := connections.get(endpoint)) is None:
                connection = connections[endpoint] = Client(endpoint, ANSWER_LIMIT_S, asking.namespace)
            try:
                connection.request("GET", route.prefix, headers=_headers(route))
                response = connection.getresponse()
                response.read()
                if (wrong := _wrong(Asked(route, endpoint), response, asking)) is not None:
                    dead.append(wrong)
            except (OSError, http.client.HTTPException) as error:
                # It connects anew with the next request.
                connection.close()
                dead.append(Dead(route, endpoint, f"gave no answer ({error or type(error).__name__})"))
    finally:
        for connection in connections.values():
            connection.close()
    return dead


def _headers(route: Route) -> dict[str, str]:
    return {"Host": route.authority, ENDPOINT_FIELD: "wanted"}


def _wrong(asked: Asked, response: http.client.HTTPResponse, asking: Asking) -> Dead | None:
    """Return what is wrong with an answer; None where it is that of the route's own service."""
    if response.status != asking.status:
        return Dead(*asked, f"answered {response.status} in place of {asking.status}")
    wanted, address = asked.route.service.name, response.getheader(ENDPOINT_FIELD)
    service = asking.services.get(address or "")
    if service == wanted:
        return None
    if address is None:
        return Dead(*asked, f"was answered by no endpoint of {wanted}", is_answered=True)
    by = f"{service} at {address}" if service else f"{address}, which is of no service"
    return Dead(*asked, f"was answered by {by} in place of {wanted}", is_answered=True)


def _dead(dead: Sequence[Dead], routes: int, endpoints: Sequence[Endpoint]) -> SystemFault:
    member: Callable[[Endpoint], str] = lambda one: (  # noqa: E731
        f" through member {endpoints.index(one) + 1}" if len(endpoints) > 1 else ""
    )
    named = [f"{one.route.name}{member(one.endpoint)} {one.what}" for one in dead[:NAMED]]
    more = f", and {len(dead) - NAMED:,} more" if len(dead) > NAMED else ""
    asked = routes * len(endpoints)
    elsewhere = all(one.is_answered for one in dead)
    return SystemFault(
        f"{len(dead):,} of {asked:,} routes {'lead elsewhere' if elsewhere else 'are dead'}: {', '.join(named)}{more}",
        cause=(
            "the configuration of the system sends them to another service than the plan's topology, answers them "
            f"itself, or takes the field `{ENDPOINT_FIELD}` out"
            if elsewhere
            else "the system is up and does not serve them"
        ),
        next_step="read its configuration and its log in the run directory; nothing was measured",
    )


def _alive(still: Sequence[Asked]) -> SystemFault:
    named = ", ".join(route.name for route, _ in still[:NAMED])
    return SystemFault(
        f"{len(still):,} routes that were removed still answer: {named}",
        cause="the proxy has not taken the configuration without them",
        next_step="read its log in the run directory",
    )
