"""What is done to an installed system while it serves: objects that differ are changed, controllers' pods are deleted.

A change is done once every proxy says that it has it: what requests are answered by is asked by whoever has it done.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from seatrial.cluster.objects import Objects
from seatrial.errors import ClusterFault, SystemFault
from seatrial.systems.installed.manifests.differences import differences
from seatrial.systems.installed.manifests.services import certificate as secret_of
from seatrial.systems.installed.pods import LOGS_KEPT, facts_in, is_hopeless, not_up

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence

    from seatrial.systems.certificate import Certificate
    from seatrial.systems.installed.kinds.recipe import Asked, Get, Recipe
    from seatrial.systems.installed.made import Made
    from seatrial.systems.installed.pods import Proxy
    from seatrial.topology.expand import Topology

    Sent = Collection[frozenset[str]]
    OfEach = Callable[[Callable[[Proxy, Get], Awaitable[bool]]], Awaitable[Mapping[str, bool]]]

IN_FORCE_LIMIT_S = 60.0
"""A controller on a busy machine takes a while for ten thousand endpoints; what is begun late ends the trial before."""
RENEWED_LIMIT_S = 180.0
"""Its pod may have to go to another node, and its image be fetched there."""
POLL_S = 0.2
PAUSE_FACTOR = 4.0
"""A page of ten thousand services takes a proxy CPU while its clients are measured: no more than a fifth of the time is
spent on it."""


class Disturbed:
    """What is done to the objects that were ``made`` for one system; ``of_each`` asks each of its proxies."""

    def __init__(self, recipe: Recipe, made: Made, of_each: OfEach) -> None:
        self._recipe, self._made, self._of_each = recipe, made, of_each

    async def topology(self, before: Topology, after: Topology, asked: Asked) -> None:
        """Change the objects in which two topologies differ; see ``Reconfigured.change_topology``."""
        # In a thread, for there may be ten thousand routes.
        found = await asyncio.to_thread(
            lambda: differences(*(self._recipe.topology(one, asked, None) for one in (before, after)))
        )
        for objects in (*found.new, *found.changed):
            await self._made.change(objects)
        for refs in found.gone:
            await self._made.delete(refs)
        await self._in_force(after, asked)

    async def certificate(self, files: Certificate) -> None:
        """Put another certificate in its Secret."""
        await self._made.change([secret_of(self._recipe.site, files)])

    async def controllers(self) -> None:
        """Have the pods of every controller deleted, and wait for those in their place."""
        for name in self._recipe.controllers:
            await self._renew(name)
        await self._made.available(self._recipe.controllers)

    async def _in_force(self, topology: Topology, asked: Asked) -> None:
        wanted = {frozenset(map(str, service.endpoints)) for service in topology.services}
        unheard: dict[str, ClusterFault] = {}

        async def has(proxy: Proxy, get: Get) -> bool:
            try:
                return wanted == set(await self._recipe.endpoints(get, asked))
            except ClusterFault as fault:
                unheard[proxy.name] = fault
                return False

        deadline_s = (asked_s := time.monotonic()) + IN_FORCE_LIMIT_S
        while lacking := [name for name, is_so in (await self._of_each(has)).items() if not is_so]:
            if (answered_s := time.monotonic()) >= deadline_s:
                raise _never([name for name in lacking if name not in unheard], unheard.values())
            pause_s = max(POLL_S, PAUSE_FACTOR * (answered_s - asked_s))
            # The last asking is at the deadline: what is said then is of so many seconds.
            await asyncio.sleep(min(pause_s, deadline_s - answered_s))
            unheard.clear()
            asked_s = time.monotonic()

    async def _renew(self, name: str) -> None:
        client, namespace = self._made.client, self._recipe.site.namespace
        look = partial(facts_in, client, namespace, self._recipe.labelled(name))
        old = {pod.uid: pod.name for pod in await look()}
        metadata = ({"name": pod, "namespace": namespace, "uid": uid} for uid, pod in old.items())
        await Objects(client).delete(
            {"apiVersion": "v1", "kind": "Pod", "metadata": which} for which in metadata
        )
        deadline_s = time.monotonic() + RENEWED_LIMIT_S
        while True:
            try:
                pods = await look()
            except ClusterFault:
                if time.monotonic() > deadline_s:
                    raise
                await asyncio.sleep(POLL_S)
                continue
            new = [pod for pod in pods if pod.uid not in old]
            if len(new) == len(pods) >= len(old) and all(pod.is_ready for pod in new):
                return
            if is_hopeless(new) or time.monotonic() > deadline_s:
                raise not_up(f"{name} was restarted and did not come up again", new, RENEWED_LIMIT_S)
            await asyncio.sleep(POLL_S)


def _never(lacking: Sequence[str], faults: Iterable[ClusterFault]) -> SystemFault | ClusterFault:
    """Return what is wrong with proxies that have said what they have, or why the others were not heard."""
    if not lacking:
        return next(iter(faults))
    return SystemFault(
        f"{', '.join(lacking)}: not the endpoints of the plan's topology after {IN_FORCE_LIMIT_S:g} s",
        cause="the objects were changed, and the proxy does not send requests to what they say",
        next_step=LOGS_KEPT,
    )
