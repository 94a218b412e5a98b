"""Does what the destination needs for one service to be there as it is in the source."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from seatrial.discoverer.calls import CONFLICT, NOT_FOUND, Refused
from seatrial.discoverer.differences import steps_between
from seatrial.discoverer.objects import (
    BACKEND,
    NAMESPACE,
    RESOURCES,
    manifests,
    namespace_manifest,
    patch_of,
    shape_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.discoverer.calls import Calls
    from seatrial.discoverer.destination import Destination
    from seatrial.discoverer.differences import Step
    from seatrial.discoverer.objects import ObjectId, Shape
    from seatrial.discoverer.services import Key, Upstream

FOREIGN = "foreign"
LOOKS_LIMIT = 5
"""How often one attempt looks anew at what there is, where it was not as it was known to be."""
_MERGE = "application/merge-patch+json"


class Replicator:
    """Holds what is wanted, and makes it so.

    ``unread`` are services that are there in the source, and of which nothing is known: they are left as they are.
    """

    def __init__(self, destination: Destination, calls: Calls) -> None:
        self.destination = destination
        self.calls = calls
        self.wanted: dict[Key, Upstream] = {}
        self.unread: set[Key] = set()
        self._shapes: dict[Key, dict[ObjectId, Shape]] = {}
        # Workers that need one namespace at the same time make it once.
        self._making = asyncio.Lock()

    def want(self, key: Key, service: Upstream | None) -> None:
        """Have a service as it is in the source; None where it is not there."""
        if service is not None and service.ports is None:
            if key not in self.wanted:
                self.unread.add(key)
            return
        self.unread.discard(key)
        if service is None:
            self.wanted.pop(key, None)
            self._shapes.pop(key, None)
        elif self.wanted.get(key) != service:
            self.wanted[key] = service
            made = manifests(key, service, self.destination.backend)
            self._shapes[key] = {one: shape_of(manifest) for one, manifest in made.items()}

    def steps(self, key: Key) -> list[Step]:
        """Return what is to be done for a service; empty where it is as it should be."""
        if key in self.unread:
            return []
        return steps_between(self._shapes.get(key, {}), self.destination.held.get(key, {}))

    async def carry(self, key: Key) -> None:
        """Do it; raises :class:`Refused`."""
        for _ in range(LOOKS_LIMIT):
            for step in self.steps(key):
                if not await self.do(key, step):
                    break
            else:
                return
        raise Refused(f"{'/'.join(key)} is changed by somebody else, again and again", CONFLICT)

    async def do(self, key: Key, step: Step) -> bool:
        """Do one step; return False where things were not as known, and have to be looked at again."""
        try:
            return await self._done(key, step)
        except Refused as refused:
            await self.learn(key, step, refused)
            return False

    async def learn(self, key: Key, step: Step, refused: Refused) -> None:
        """Learn from a refusal how things are; raises it where there is nothing to learn."""
        if refused.status == NOT_FOUND and step.verb == "create":
            # It was deleted a moment ago.
            self.destination.namespaces.discard(key[0])
        elif refused.status == NOT_FOUND:
            self.destination.forget(key[0], step.id)
        elif refused.status == CONFLICT:
            await self._read_anew(key, step.id)
        else:
            raise refused

    async def _done(self, key: Key, step: Step) -> bool:
        """Do one step; return False where source or destination have changed since it was found to be needed."""
        manifest, held = self._manifest(key, step.id), self.destination.held.get(key, {}).get(step.id)
        if step.verb == "create" and manifest is not None:
            await self._need_namespace(key[0])
            path = RESOURCES[step.id[0]].path(key[0])
            self.destination.take(await self.calls.make("POST", path, manifest))
        elif step.verb == "update" and manifest is not None and held is not None:
            patch = patch_of(manifest, held.version)
            self.destination.take(await self.calls.make("PATCH", _path(key, step.id), patch, _MERGE))
        elif step.verb == "delete" and held is not None:
            # Only if it still is the one that is known: no read is needed for that.
            condition = {"preconditions": {"uid": held.uid}}
            await self.calls.make("DELETE", _path(key, step.id), condition)
            self.destination.forget(key[0], step.id)
        else:
            return False
        return True

    async def _need_namespace(self, name: str) -> None:
        if name in self.destination.namespaces:
            return
        async with self._making:
            if name in self.destination.namespaces:
                return
            try:
                await self.calls.make("POST", RESOURCES[NAMESPACE].path(), namespace_manifest(name))
            except Refused as refused:
                if refused.status != CONFLICT:
                    raise
            self.destination.namespaces.add(name)

    async def _read_anew(self, key: Key, one: ObjectId) -> None:
        """Look at what is there after a conflict; raises :class:`Refused` where it is not ours to change."""
        try:
            found = await self.calls.make("GET", _path(key, one))
        except Refused as refused:
            if refused.status != NOT_FOUND:
                raise
            self.destination.forget(key[0], one)
            return
        if not self._is_ours(found):
            self.destination.forget(key[0], one)
            text = f"{one[0]} {key[0]}/{one[1]} is there already, and is somebody else's"
            raise Refused(text, CONFLICT, kind=FOREIGN)
        self.destination.take(found)

    def _is_ours(self, found: Mapping[str, Any]) -> bool:
        labels = found["metadata"].get("labels") or {}
        return bool(labels.get(BACKEND) == self.destination.backend)

    def _manifest(self, key: Key, one: ObjectId) -> dict[str, Any] | None:
        service = self.wanted.get(key)
        return None if service is None else manifests(key, service, self.destination.backend).get(one)


def _path(key: Key, one: ObjectId) -> str:
    return RESOURCES[one[0]].path(key[0], one[1])
