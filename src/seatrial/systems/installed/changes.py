"""Changes of single routes of an installed system: made side by side, and followed to what their status says."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.cluster.resources import ref_of
from seatrial.cluster.watch import Change, Watch
from seatrial.errors import ClusterFault
from seatrial.systems.installed.manifests.routes import root_of, route_object
from seatrial.systems.installed.manifests.services import endpoint_slices, services
from seatrial.systems.installed.statuses import API_VERSIONS, STATED, observed_generation
from seatrial.topology.expand import Topology

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from seatrial.cluster.answers import Answer
    from seatrial.systems.disturbance import RouteHeard
    from seatrial.systems.installed.kinds.recipe import Asked, Recipe
    from seatrial.systems.installed.made import Made
    from seatrial.systems.installed.manifests.objects import Object
    from seatrial.topology.changed import Changed
    from seatrial.topology.expand import Route


@dataclass(frozen=True, slots=True)
class _Step:
    """Objects that are made or deleted side by side, each with the route that it is of; None is of all that change."""

    objects: Sequence[tuple[str | None, Object]]
    is_deletion: bool = False

    async def take(self, made: Made) -> Sequence[Answer | None]:
        """Return the answer to each; None for what is gone already."""
        objects = [one for _, one in self.objects]
        if self.is_deletion:
            return await made.delete(map(ref_of, objects))
        return await made.change(objects)


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

    async def make(self, changed: Changed, asked: Asked, heard: RouteHeard) -> None:
        """Have routes made, changed or deleted. Raises ``ClusterFault`` where one is refused."""
        if self._following is None:
            self._following = asyncio.create_task(self._follow())
        moments: dict[str, list[Answer]] = {route.name: [] for route in changed.routes}
        wanted: dict[str, Mapping[str, Any]] = {}
        for step in self._steps(changed, asked):
            answers = await step.take(self.made)
            for (route, one), answer in zip(step.objects, answers, strict=True):
                if answer is None:
                    continue
                for name in moments if route is None else (route,):
                    moments[name].append(answer)
                if route is not None and one["kind"] == self.recipe.dialect and not step.is_deletion:
                    wanted[route] = answer.body["metadata"]
        for name, own in moments.items():
            if own:
                sent_s = min(answer.sent_s for answer in own)
                answered_s = max(answer.answered_s for answer in own)
                heard("asked", "", name, sent_s, sent_s)
                heard("accepted", "", name, sent_s, answered_s)
        for name, metadata in wanted.items():
            self._want(name, metadata, heard)

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

    def _steps(self, changed: Changed, asked: Asked) -> Iterator[_Step]:
        """Yield what is done, one after another: a service has to be there before its route, and as long."""
        if changed.what == "endpoints" and changed.change == "update":
            yield from self._endpoints(changed)
            return
        behind = _Step(tuple(self._behind(changed, asked)), is_deletion=changed.change == "delete")
        own = _Step(tuple(self._routes(changed, asked)), is_deletion=changed.change == "delete")
        # To where a route leads it says itself: the one that names it has nothing to do with that.
        root = None if changed.change == "update" else self._root(changed, asked)
        roots = _Step(() if root is None else ((None, root),))
        yield from (roots, own, behind) if own.is_deletion else (behind, own, roots)

    def _behind(self, changed: Changed, asked: Asked) -> Iterator[tuple[str, Object]]:
        """Yield the services that are of single routes, with their endpoints."""
        if changed.what == "endpoints":
            annotations = self.recipe.annotations(asked)
            for route in changed.routes:
                for one in services(self.recipe.site, Topology((), (route.service,)), annotations):
                    yield route.name, one

    def _endpoints(self, changed: Changed) -> Iterator[_Step]:
        """Yield what leads services to other endpoints than before."""
        new = tuple(self._slices(changed.routes))
        kept = {ref_of(one) for _, one in new}
        yield _Step(new)
        # Those of another port are in one of their own: there may have been more.
        left = ((route, one) for route, one in self._slices(changed.before) if ref_of(one) not in kept)
        yield _Step(tuple(left), is_deletion=True)

    def _slices(self, routes: Iterable[Route]) -> Iterator[tuple[str, Object]]:
        for route in routes:
            for one in endpoint_slices(self.recipe.site, route.service):
                yield route.name, one

    def _routes(self, changed: Changed, asked: Asked) -> Iterator[tuple[str, Object]]:
        recipe, is_included = self.recipe, self._is_included(changed)
        for route in changed.routes:
            made = route_object(
                recipe.site,
                route,
                recipe.dialect,
                recipe.door,
                has_tls=asked.has_tls,
                is_included=is_included,
            )
            yield route.name, made

    def _root(self, changed: Changed, asked: Asked) -> Object | None:
        if not self._is_included(changed):
            return None
        recipe = self.recipe
        return root_of(recipe.site, changed.topology(), recipe.dialect, recipe.door, has_tls=asked.has_tls)

    def _is_included(self, changed: Changed) -> bool:
        return self.recipe.dialect == "HTTPProxy" and changed.base.by_path

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
