"""What a run makes on a cluster: labelled as its own, written down before it is made, and removed again.

What is written down is not each object but where such will be: a kind, in a namespace, with the run's label. Ten
thousand routes are one line of the record, and none of them can be made before it is there.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.cluster import leftovers
from seatrial.cluster.access import open_again
from seatrial.cluster.labels import labelled
from seatrial.cluster.leftovers import Group, Removed
from seatrial.cluster.objects import WINDOW, Objects, in_window
from seatrial.cluster.resources import ref_of
from seatrial.cluster.rights import rights_to
from seatrial.errors import ClusterFault, SeatrialError
from seatrial.machine.undoers import Undone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from seatrial.cluster.answers import Answer
    from seatrial.cluster.client import Client
    from seatrial.machine.processes.changes import ChangeLog

KIND = "objects"
"""The kind of change that a record knows this by."""
RIGHTS = (
    *rights_to(
        "create get list patch delete",
        "namespaces",
        why="each run has a namespace of its own, removed when it is over",
    ),
    *rights_to("list deletecollection", "pods", why="pods that take minutes to end hold their namespace"),
)
"""What this room needs by itself; who has objects made states the rights to their kinds."""
_NAMED_LIMIT = 3


@dataclass(slots=True)
class Owned:
    """The objects of one run on one cluster. Methods raise ``ClusterFault``, or ``StorageFault`` of the record.

    ``run_id`` is one that no run of another machine has either: :func:`seatrial.cluster.labels.new_run_id`. Of a
    ``part`` it makes and removes that alone, however much else of the run there is.
    """

    client: Client
    run_id: str
    changes: ChangeLog
    window: int = WINDOW
    part: str = ""
    _written: dict[Group, int] = field(default_factory=dict)

    async def apply(self, manifests: Iterable[Mapping[str, Any]]) -> list[Answer]:
        """Make them as they are here, with the run's labels, whether they are there or not."""
        return await self._objects.apply(self._ours(manifests))

    async def create(self, manifests: Iterable[Mapping[str, Any]]) -> list[Answer]:
        """Make new ones, with the run's labels."""
        return await self._objects.create(self._ours(manifests))

    async def namespace(self, name: str, labels: Mapping[str, str] | None = None) -> Answer:
        """Make a namespace of the run's own; ``labels`` are those that it has beside."""
        metadata = {"name": name, "labels": dict(labels or {})}
        (answer,) = await self.create([{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}])
        return answer

    async def remove(self, limit_s: float = leftovers.REMOVAL_LIMIT_S) -> None:
        """Remove all of it and wait until it is gone; what stays is named in the fault, and stays written down."""
        try:
            found = await leftovers.find(self.client, self.run_id, self._written, self.part)
            removed = await leftovers.remove(self.client, found.objects, limit_s)
        except ClusterFault as fault:
            raise ClusterFault(
                f"what was made on the cluster could not be removed: {fault.what}",
                cause=fault.cause,
                next_step="see to what keeps the cluster from it, then: seatrial clean",
                status=fault.status,
                reason=fault.reason,
            ) from fault
        if removed.left:
            raise ClusterFault(
                f"not all that was made on the cluster could be removed: {_left(removed)}",
                next_step="see to what holds it, then: seatrial clean",
            )
        for change_id in dict.fromkeys(self._written.values()):
            self.changes.undone(change_id)
        self._written.clear()

    async def send_off(self, kinds: Iterable[str], namespaces: Iterable[str]) -> None:
        """Have these namespaces of the run deleted, with all objects of these paths in them, and wait for none of it.

        ``kinds`` are paths with ``{namespace}`` in them. An API server alone has nobody who empties a namespace that
        is deleted, and never says that one is gone.
        """
        paths = list(kinds)

        async def one(namespace: str) -> None:
            for path in paths:
                await self.client.delete(path.format(namespace=namespace))
            await self.client.delete(f"/api/v1/namespaces/{namespace}")

        await in_window(list(namespaces), one, self.window)
        for change_id in dict.fromkeys(self._written.values()):
            self.changes.undone(change_id)
        self._written.clear()

    @property
    def _objects(self) -> Objects:
        return Objects(self.client, self.window)

    def _ours(self, manifests: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return them with the run's labels; written down as far as they were not."""
        ours = [labelled(manifest, self.run_id, self.part) for manifest in manifests]
        groups = dict.fromkeys(Group(ref.api_version, ref.kind, ref.namespace) for ref in map(ref_of, ours))
        if new := [group for group in groups if group not in self._written]:
            change_id = self.changes.will_start(KIND, self._detail(new))
            self._written |= dict.fromkeys(new, change_id)
        return ours

    def _detail(self, groups: list[Group]) -> dict[str, object]:
        kinds = [f"{group.kind}{f' in {group.namespace}' if group.namespace else ''}" for group in groups]
        named = ", ".join(kinds[:_NAMED_LIMIT]) + (" and others" if len(kinds) > _NAMED_LIMIT else "")
        return {
            "name": f"{named} on {self.client.reference['server']}",
            "run": self.run_id,
            "part": self.part,
            "cluster": self.client.reference,
            "of": [[group.api_version, group.kind, group.namespace] for group in groups],
        }


def undo_objects(detail: Mapping[str, Any], _run: Path) -> Undone:
    """Remove what is left of a change of kind :data:`KIND`: an undoer (:mod:`seatrial.machine.undoers`)."""
    name, run_id, reference = str(detail["name"]), str(detail["run"]), dict(detail["cluster"])
    groups, part = [Group(*map(str, group)) for group in detail["of"]], str(detail.get("part", ""))
    if not run_id or "server" not in reference:
        raise ValueError("it says no run, or no cluster")
    # In a thread, for who cleans may be in a loop of its own.
    with ThreadPoolExecutor(1) as thread:
        try:
            removed = thread.submit(asyncio.run, _removed(reference, (run_id, part), groups)).result()
        except SeatrialError as fault:
            words = filter(None, [fault.what, fault.cause, fault.next_step])
            return Undone(name, problem="; ".join(words))
    count = len(removed.gone)
    return Undone(
        name,
        put_back=f"{count} {'object' if count == 1 else 'objects'} removed" if count else "",
        problem=_left(removed) if removed.left else "",
    )


async def _removed(reference: Mapping[str, Any], of: tuple[str, str], groups: list[Group]) -> Removed:
    async with open_again(reference) as client:
        found = await leftovers.find(client, of[0], groups, of[1])
        return await leftovers.remove(client, found.objects)


def _left(removed: Removed) -> str:
    named = [f"{ref} ({why})" for ref, why in removed.left[:_NAMED_LIMIT]]
    more = len(removed.left) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
