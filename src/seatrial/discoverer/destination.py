"""What the destination has of one backend: listed once, then watched, so that nothing has to be read to be changed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from seatrial.cluster.watch import Change, Watch
from seatrial.discoverer.differences import Held
from seatrial.discoverer.objects import (
    BACKEND,
    NAMESPACE,
    RESOURCES,
    SERVICE,
    SLICE,
    service_of,
    shape_of,
)
from seatrial.errors import ClusterFault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seatrial.cluster.client import Client
    from seatrial.discoverer.objects import ObjectId
    from seatrial.discoverer.services import Key

AGAIN_S = 0.5
"""After how long a watch that broke is begun anew."""
NO_OUTAGE_S = -1.0
"""A watch raises whatever breaks it, for it to be counted, and goes on where it was when it is begun anew."""


class Destination:
    """Objects by the service that they stand for; ``held`` is never waited for.

    What was answered to a call is known at once, and what a watch brings later is taken unless it is older.
    """

    def __init__(self, client: Client, backend: str) -> None:
        self.client = client
        self.backend = backend
        self.held: dict[Key, dict[ObjectId, Held]] = defaultdict(dict)
        self.namespaces: set[str] = set()
        self._service_of: dict[tuple[str, ObjectId], str] = {}

    async def follow(
        self, changed: Callable[[Key], None], failed: Callable[[str, str], None], ready: asyncio.Event
    ) -> None:
        """Keep up with what is there, for ever; ``ready`` is set once everything is known."""
        listed = {kind: asyncio.Event() for kind in (SERVICE, SLICE, NAMESPACE)}

        async def all_listed() -> None:
            await asyncio.gather(*(one.wait() for one in listed.values()))
            ready.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(all_listed())
            for kind, event in listed.items():
                group.create_task(self._follow(kind, event, changed, failed))

    def take(self, manifest: Mapping[str, Any]) -> Key:
        """Take an object as an API server has it; return which service it is of."""
        return self._take(_form(manifest))

    def forget(self, namespace: str, one: ObjectId) -> Key | None:
        """Take that an object is gone; return which service it was of."""
        service = self._service_of.pop((namespace, one), None)
        if service is None:
            return None
        key = namespace, service
        self.held[key].pop(one, None)
        if not self.held[key]:
            del self.held[key]
        return key

    async def _follow(
        self,
        kind: str,
        listed: asyncio.Event,
        changed: Callable[[Key], None],
        failed: Callable[[str, str], None],
    ) -> None:
        watch = self._watch(kind)
        while True:
            try:
                async for change in watch.changes():
                    if not isinstance(change, Change):
                        listed.set()
                    elif kind == NAMESPACE:
                        self._take_namespace(change)
                    elif (key := self._taken(change)) is not None:
                        changed(key)
            except ClusterFault as fault:
                failed("watch_destination", fault.line)
                await asyncio.sleep(AGAIN_S)

    def _watch(self, kind: str) -> Watch:
        path = RESOURCES[kind].path()
        if kind == NAMESPACE:
            return Watch(self.client, path, metadata_only=True, outage_limit_s=NO_OUTAGE_S)
        labels = f"{BACKEND}={self.backend}"
        return Watch(self.client, path, labels=labels, outage_limit_s=NO_OUTAGE_S, form=_form)

    def _take_namespace(self, change: Change) -> None:
        name = str(change.object["metadata"]["name"])
        (self.namespaces.discard if change.kind == "deleted" else self.namespaces.add)(name)

    def _taken(self, change: Change) -> Key | None:
        if change.kind != "deleted":
            return self._take(change.object)
        metadata = change.object["metadata"]
        one = change.object["kind"], metadata["name"]
        known = self._known(metadata["namespace"], one)
        # It may have been made again since.
        if known is None or known.uid != metadata["uid"]:
            return None
        return self.forget(metadata["namespace"], one)

    def _known(self, namespace: str, one: ObjectId) -> Held | None:
        service = self._service_of.get((namespace, one))
        return None if service is None else self.held[namespace, service].get(one)

    def _take(self, form: Mapping[str, Any]) -> Key:
        metadata = form["metadata"]
        namespace, one = metadata["namespace"], (form["kind"], metadata["name"])
        key = namespace, form["service"]
        known = self._known(namespace, one)
        if known is not None and int(known.version) > int(metadata["resourceVersion"]):
            return key
        # It may have been of another service.
        self.forget(namespace, one)
        self.held[key][one] = Held(metadata["uid"], metadata["resourceVersion"], form["shape"])
        self._service_of[namespace, one] = key[1]
        return key


def _form(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the little that is kept of an object."""
    metadata = manifest["metadata"]
    kept = ("namespace", "name", "uid", "resourceVersion")
    return {
        "kind": manifest["kind"],
        "metadata": {name: metadata[name] for name in kept},
        "service": service_of(manifest),
        "shape": shape_of(manifest),
    }
