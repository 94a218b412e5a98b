"""Changes of single routes of an installed system: made side by side, and followed to what their status says."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.cluster.resources import ref_of
from seatrial.cluster.watch import Change, Watch
from seatrial.errors import ClusterFault
from seatrial.systems.installed.manifests.routes import routes
from seatrial.systems.installed.statuses import API_VERSIONS, STATED, observed_generation
from seatrial.topology.expand import Topology

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seatrial.systems.disturbance import RouteHeard
    from seatrial.systems.installed.kinds.recipe import Recipe
    from seatrial.systems.installed.made import Made
    from seatrial.systems.installed.manifests.objects import Object
    from seatrial.topology.expand import Route, Service


@dataclass(slots=True)
class RouteChanges:
    """Those of one system, from the first change on; ``close`` them."""

    recipe: Recipe
    made: Made
    _following: asyncio.Task[None] | None = None
    # By the object's uid: one that is made again under its name begins with its first generation again.
    _observed: dict[str, tuple[int, float]] = field(default_factory=dict)
    _wanted: dict[str, list[tuple[str, int, RouteHeard]]] = field(default_factory=dict)
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    async def make(
        self,
        put: Sequence[Route],
        gone: Sequence[Route],
        services: Sequence[Service],
        heard: RouteHeard,
    ) -> None:
        """Have routes made or changed, and others deleted. Raises ``ClusterFault`` where one is refused."""
        if self._following is None:
            self._following = asyncio.create_task(self._follow())
        answers = await self.made.change(self._objects(put, services))
        for route, answer in zip(put, answers, strict=True):
            heard("asked", "", route.name, answer.sent_s, answer.sent_s)
            heard("accepted", "", route.name, answer.sent_s, answer.answered_s)
            self._want(route.name, answer.body["metadata"], heard)
        deleted = await self.made.delete([ref_of(one) for one in self._objects(gone, services)])
        for route, removal in zip(gone, deleted, strict=True):
            if removal is not None:
                heard("asked", "", route.name, removal.sent_s, removal.sent_s)
                heard("accepted", "", route.name, removal.sent_s, removal.answered_s)

    async def said(self, limit_s: float) -> None:
        """Wait until the status of every route that was put says that it is in order; ``limit_s`` at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while self._wanted and self._following is not None and not self._following.done():
                    self._came.clear()
                    await self._came.wait()

    async def close(self) -> None:
        """Follow them no longer."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
            self._following = None

    def _objects(self, of: Sequence[Route], services: Sequence[Service]) -> list[Object]:
        recipe = self.recipe
        topology = Topology(tuple(of), tuple(services))
        return list(routes(recipe.site, topology, recipe.dialect, recipe.door, has_tls=False))

    def _want(self, name: str, metadata: Mapping[str, Any], heard: RouteHeard) -> None:
        if self.recipe.dialect not in STATED:
            return
        uid, generation = str(metadata["uid"]), int(metadata["generation"])
        observed, seen_s = self._observed.get(uid, (0, 0.0))
        if observed >= generation:
            # It was written before the API server's answer to us was here.
            heard("status", "", name, seen_s, seen_s)
        else:
            self._wanted.setdefault(uid, []).append((name, generation, heard))

    async def _follow(self) -> None:
        client, dialect = self.made.client, self.recipe.dialect
        try:
            resource = await client.resources.find(API_VERSIONS[dialect], dialect)
            async for change in Watch(client, resource.path(self.recipe.site.namespace)).changes():
                if isinstance(change, Change):
                    self._take(change)
        except ClusterFault:
            # That no status came shows where it is missing.
            return

    def _take(self, change: Change) -> None:
        uid = str(change.object["metadata"]["uid"])
        if change.kind == "deleted":
            # Of what is gone nobody waits for a status any more.
            self._observed.pop(uid, None)
            if self._wanted.pop(uid, None):
                self._came.set()
            return
        generation = observed_generation(self.recipe.dialect, change.object)
        if generation <= self._observed.get(uid, (0, 0.0))[0]:
            return
        self._observed[uid] = generation, change.seen_s
        left = []
        for name, wanted, heard in self._wanted.pop(uid, ()):
            if generation >= wanted:
                heard("status", "", name, change.seen_s, change.seen_s)
            else:
                left.append((name, wanted, heard))
        if left:
            self._wanted[uid] = left
        self._came.set()
