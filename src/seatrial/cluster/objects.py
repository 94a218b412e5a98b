"""Many objects at a time: so many calls in flight and no more, answers in the order of what was asked.

The first failure ends it, with the name of its object: what is under way is waited for, nothing more is begun.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from seatrial.cluster.client import METADATA_ONLY, PatchKind
from seatrial.cluster.faults import UNKNOWN_WHETHER_DONE
from seatrial.cluster.labels import MANAGER, run_of
from seatrial.cluster.resources import Ref, ref_of
from seatrial.errors import ClusterFault, SeatrialError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from seatrial.cluster.answers import Answer
    from seatrial.cluster.client import Client

WINDOW = 32
"""Calls in flight. An API server takes 400 reads and 200 writes at a time by default, of everybody together."""
Asked = TypeVar("Asked")
Came = TypeVar("Came")


class Objects:
    """Objects of one cluster. Answers hold metadata only, which is what spares both sides most of the work.

    Every method raises ``ClusterFault``, whose text names the object that it is about.
    """

    def __init__(self, client: Client, window: int = WINDOW) -> None:
        self.client = client
        self.window = window

    async def apply(self, manifests: Iterable[Mapping[str, Any]], *, force: bool = True) -> list[Answer]:
        """Make them as they are here, by server-side apply, whether they are there or not.

        With ``force`` fields that another manager had set become ours; without, that is a fault with status 409.
        """
        params = {"fieldManager": MANAGER, "force": "true" if force else "false"}

        async def one(manifest: Mapping[str, Any]) -> Answer:
            path, ref = await self._path(manifest)
            asked = f"apply {ref}"
            return await self.client.patch(path, manifest, "apply", params, accept=METADATA_ONLY, asked=asked)

        return await in_window(list(manifests), one, self.window)

    async def create(self, manifests: Iterable[Mapping[str, Any]]) -> list[Answer]:
        """Make new ones; one that is there already is a fault with status 409.

        Where a call was cut off, the object that is then found is taken for ours only if it is of the same run.
        """
        return await in_window(list(manifests), self._create, self.window)

    async def patch(
        self, changes: Iterable[tuple[Mapping[str, Any] | Ref, Any]], kind: PatchKind = "merge"
    ) -> list[Answer]:
        """Change some: each with its patch."""

        async def one(change: tuple[Mapping[str, Any] | Ref, Any]) -> Answer:
            path, ref = await self._path(change[0])
            params = {"fieldManager": MANAGER}
            return await self.client.patch(
                path, change[1], kind, params, accept=METADATA_ONLY, asked=f"patch {ref}"
            )

        return await in_window(list(changes), one, self.window)

    async def delete(
        self, objects: Iterable[Mapping[str, Any] | Ref], *, grace_s: int | None = None
    ) -> list[Answer | None]:
        """Have some deleted, with what they own; None for one that is gone already.

        An object that says its uid is deleted only if it still is the one of that uid.
        """

        async def one(which: Mapping[str, Any] | Ref) -> Answer | None:
            path, ref = await self._path(which)
            options: dict[str, Any] = {"propagationPolicy": "Background"}
            if grace_s is not None:
                options["gracePeriodSeconds"] = grace_s
            if not isinstance(which, Ref) and (uid := which["metadata"].get("uid")):
                options["preconditions"] = {"uid": uid}
            try:
                return await self.client.delete(path, options, asked=f"delete {ref}")
            except ClusterFault as fault:
                # Conflict: another object has its name by now.
                if fault.status == 404 or (fault.status == 409 and "preconditions" in options):
                    return None
                raise

        return await in_window(list(objects), one, self.window)

    async def get(self, which: Mapping[str, Any] | Ref) -> Mapping[str, Any] | None:
        """Return one as it is now, None where it is not there."""
        path, ref = await self._path(which)
        try:
            body: Mapping[str, Any] = (await self.client.get(path, asked=f"read {ref}")).body
        except ClusterFault as fault:
            if fault.status == 404:
                return None
            raise
        return body

    async def _create(self, manifest: Mapping[str, Any]) -> Answer:
        resource = await self.client.resources.of(manifest)
        ref = ref_of(manifest)
        path, params, asked = resource.path(ref.namespace), {"fieldManager": MANAGER}, f"create {ref}"
        post = self.client.post
        try:
            return await post(path, manifest, params, accept=METADATA_ONLY, asked=asked)
        except ClusterFault as fault:
            # Without a name each call makes another object.
            if fault.reason != UNKNOWN_WHETHER_DONE or not ref.name:
                raise
        try:
            return await post(path, manifest, params, accept=METADATA_ONLY, asked=asked)
        except ClusterFault as fault:
            if fault.reason != "AlreadyExists" or run_of(manifest) is None:
                raise
            found = await self.client.get(
                resource.path(ref.namespace, ref.name), accept=METADATA_ONLY, asked=f"read {ref}"
            )
            if run_of(found.body) != run_of(manifest):
                raise
            return found

    async def _path(self, which: Mapping[str, Any] | Ref) -> tuple[str, Ref]:
        ref = which if isinstance(which, Ref) else ref_of(which)
        resource = await self.client.resources.find(ref.api_version, ref.kind)
        return resource.path(ref.namespace, ref.name), ref


async def in_window(
    asked: Sequence[Asked], call: Callable[[Asked], Awaitable[Came]], window: int
) -> list[Came]:
    """Do all of them, at most ``window`` at a time; return what came of each, in their order.

    Raises what the first to fail raised, once those that were under way have ended.
    """
    came: dict[int, Came] = {}
    failed: list[SeatrialError] = []
    numbered = iter(enumerate(asked))

    async def work() -> None:
        for number, one in numbered:
            if failed:
                return
            try:
                came[number] = await call(one)
            except SeatrialError as fault:
                failed.append(fault)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(window, len(asked))):
            group.create_task(work())
    if failed:
        raise failed[0]
    return [came[number] for number in range(len(asked))]
