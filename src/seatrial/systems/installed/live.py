"""Whether every route is live at every proxy, asked by way of the API server: no port need be reachable from outside.

The API server passes a request for a pod on with the Host field that it came with. It is asked over one connection a
proxy, and one after another on it, because it keeps what it has opened for a while: those few connections are there
when the load begins. That the load's own way leads to the proxies is not proven so, but by the load.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from seatrial.cluster.connection.breaks import BREAKS
from seatrial.errors import SystemFault
from seatrial.systems.installed.manifests.routes import host_of
from seatrial.systems.installed.statuses import reasons

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seatrial.cluster.client import Client
    from seatrial.systems.installed.kinds.recipe import Recipe
    from seatrial.systems.installed.pods import Proxy
    from seatrial.topology.expand import Route, Topology

LIVE_LIMIT_S, AGAIN_S = 30.0, 0.2
"""So long after the last time that one more was live: a controller on a busy machine takes minutes for a thousand."""
ANSWER_LIMIT_S = 5.0
NAMED = 3


@dataclass(frozen=True, slots=True)
class Dead:
    """A route that did not answer as the origin does, through one proxy."""

    route: Route
    proxy: Proxy
    what: str


async def prove(
    client: Client, recipe: Recipe, proxies: Sequence[Proxy], topology: Topology, asked: tuple[int, int]
) -> int:
    """Ask for every route through every proxy until each has answered; return how many requests that took.

    ``asked`` is the port of the proxies and the origin's status. Raises ``SystemFault`` that names the routes which do
    not answer, with what the cluster says of the first.
    """
    left = [(route, proxy) for proxy in proxies for route in topology.routes]
    all_of, fewest, deadline_s, requests = len(left), len(left) + 1, 0.0, 0
    while left:
        requests += len(left)
        dead = await _ask_all(client, recipe, left, asked)
        left = [(one.route, one.proxy) for one in dead]
        if len(left) < fewest:
            fewest, deadline_s = len(left), time.monotonic() + LIVE_LIMIT_S
        if left and time.monotonic() > deadline_s:
            raise await _fault(client, recipe, dead, all_of)
        if left:
            await asyncio.sleep(AGAIN_S)
    return requests


async def _ask_all(
    client: Client, recipe: Recipe, left: Iterable[tuple[Route, Proxy]], asked: tuple[int, int]
) -> list[Dead]:
    by_proxy: dict[Proxy, list[Route]] = {}
    for route, proxy in left:
        by_proxy.setdefault(proxy, []).append(route)

    async def through(proxy: Proxy, routes: Sequence[Route]) -> list[Dead]:
        found = [(route, await _answer(client, recipe, route, proxy, asked[0])) for route in routes]
        return [Dead(route, proxy, what) for route, said in found if (what := _wrong(said, asked[1]))]

    found = await asyncio.gather(*(through(*item) for item in by_proxy.items()))
    return [dead for share in found for dead in share]


async def _answer(client: Client, recipe: Recipe, route: Route, proxy: Proxy, port: int) -> int | str:
    """Return the status of the answer, or why there is none."""
    which = f"{proxy.name}:{port}"
    path = f"/api/v1/namespaces/{recipe.namespace}/pods/{which}/proxy{quote(route.prefix)}"
    host = host_of(route, recipe.dialect) or route.authority
    try:
        await client.session.freshen()
        asking = client.session.request(
            "GET", path, params=None, headers={"Host": host, "Accept": "*/*"}, limit_s=ANSWER_LIMIT_S
        )
        async with asking as response:
            await response.read()
            return response.status
    except BREAKS as error:
        return str(error) or type(error).__name__


def _wrong(said: int | str, status: int) -> str | None:
    if isinstance(said, str):
        return f"gave no answer ({said})"
    return None if said == status else f"answered {said} in place of {status}"


async def _fault(client: Client, recipe: Recipe, dead: Sequence[Dead], all_of: int) -> SystemFault:
    named = [f"{one.route.name} through {one.proxy.name} {one.what}" for one in dead[:NAMED]]
    more = f", and {len(dead) - NAMED:,} more" if len(dead) > NAMED else ""
    names = dict.fromkeys(one.route.name for one in dead)
    said = await reasons(client, recipe.site.namespace, recipe.dialect, list(names)[:NAMED])
    return SystemFault(
        f"{len(dead):,} of {all_of:,} routes are dead: {', '.join(named)}{more}",
        cause="; ".join(said) or "the proxies do not serve them, and their objects do not say why",
        next_step=f"kubectl -n {recipe.site.namespace} describe {recipe.dialect.lower()}; nothing was measured",
    )
