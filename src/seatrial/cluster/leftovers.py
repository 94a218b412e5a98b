"""What runs have left on a cluster, found by their label from whichever machine, and its removal.

Whoever makes an object sees to what follows from it: what is owned by another object goes with that one, and what is in
a namespace of a run goes with the namespace. Only what has finalizers goes first, while who removes them still lives.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from seatrial.cluster.gone import end_pods, left_after, listed, what_holds
from seatrial.cluster.labels import RUN, label_value, run_of, selector
from seatrial.cluster.objects import WINDOW, Objects, in_window
from seatrial.cluster.resources import Ref, Resource, ref_of
from seatrial.errors import ClusterFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from seatrial.cluster.client import Client

REMOVAL_LIMIT_S = 120.0
FINALIZERS_LIMIT_S = 15.0
"""How long controllers have for their own objects, before their namespace, and they with it, is removed."""
NAMESPACE_LIMIT_S = 15.0
"""How long a namespace has once its pods have had their time: its controller alone waits for five seconds."""
_NEEDED_VERBS = {"list", "delete"}
_CRD = "CustomResourceDefinition"
_LAST = frozenset({"Namespace", _CRD})


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """All objects of a kind in a namespace; the namespace is empty for a kind that is in none, or for all of them."""

    api_version: str
    kind: str
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What carries the label (metadata), without what another object owns; and which kinds could not be listed."""

    objects: tuple[Mapping[str, Any], ...]
    unread: tuple[str, ...] = ()

    def of_run(self, run: str) -> tuple[Mapping[str, Any], ...]:
        """Return those of one run, by its label's value."""
        return tuple(one for one in self.objects if run_of(one) == run)

    @property
    def runs(self) -> tuple[str, ...]:
        """The values of the label, each once."""
        return tuple(sorted({str(run_of(one)) for one in self.objects}))


@dataclass(frozen=True, slots=True)
class Removed:
    """What is gone, and what is left with the reason."""

    gone: tuple[Ref, ...]
    left: tuple[tuple[Ref, str], ...] = ()


async def find(
    client: Client, run_id: str | None = None, groups: Iterable[Group] | None = None, part: str = ""
) -> Found:
    """Look for what a run (or any) has made, or for a part of one: in these groups, or in all that the cluster has.

    Raises ``ClusterFault`` where a group cannot be listed; among all there are such are named in ``unread`` instead.
    """
    unread: list[str] = []

    async def look(place: tuple[Resource, str]) -> list[Mapping[str, Any]]:
        resource, namespace = place
        try:
            return await listed(client, resource, namespace, selector(run_id, part))
        except ClusterFault as fault:
            if fault.status == 404:
                return []
            if groups is not None or fault.status not in {403, 405}:
                raise
            unread.append(f"{resource.plural}{f'.{resource.group}' if resource.group else ''}")
            return []

    there = await in_window(await _places(client, groups), look, WINDOW)
    # Some objects are shown by several groups: each is one all the same.
    found = {str(one["metadata"]["uid"]): one for of_place in there for one in of_place if not _is_owned(one)}
    return Found(tuple(found.values()), tuple(sorted(unread)))


async def remove(
    client: Client, objects: Sequence[Mapping[str, Any]], limit_s: float = REMOVAL_LIMIT_S
) -> Removed:
    """Delete them and wait until they are gone, about ``limit_s`` in all.

    A definition of a kind stays where there are objects of that kind that are not of its run: they would go with it.
    """
    deadline_s = time.monotonic() + limit_s
    kept = await _definitions_in_use(client, objects)
    objects = [one for one in objects if ref_of(one) not in kept]
    namespaces = {one["metadata"]["name"] for one in objects if one["kind"] == "Namespace"}
    last = [one for one in objects if one["kind"] in _LAST]
    others = [one for one in objects if one["kind"] not in _LAST]
    held = [one for one in others if _is_let_go_of(one)]
    first = [
        one for one in others if not _is_let_go_of(one) and one["metadata"].get("namespace") not in namespaces
    ]
    many = Objects(client)
    # Before the rights of the controllers that let go of them.
    await many.delete(held)
    await _let_go(client, held, min(limit_s, FINALIZERS_LIMIT_S))
    await many.delete([*first, *last])
    await in_window(sorted(namespaces), partial(end_pods, client, limit_s=limit_s), WINDOW)
    refs = [ref_of(one) for one in (*held, *first, *last)]
    # Pods whose node is gone have used it up.
    left_s = max(deadline_s - time.monotonic(), min(limit_s, NAMESPACE_LIMIT_S))
    left = await left_after(client, refs, left_s)
    why = [(ref, await _what_holds(client, ref)) for ref in left]
    gone = tuple(ref for one in objects if (ref := ref_of(one)) not in set(left))
    return Removed(gone, (*why, *kept.items()))


async def _what_holds(client: Client, ref: Ref) -> str:
    try:
        return await what_holds(client, ref)
    except ClusterFault as fault:
        # What is left is known all the same.
        return f"why is not known: {fault.what}"


async def _places(client: Client, groups: Iterable[Group] | None) -> list[tuple[Resource, str]]:
    if groups is None:
        every = await client.resources.every()
        return [(resource, "") for resource in every if resource.verbs >= _NEEDED_VERBS]
    places = []
    for group in groups:
        try:
            places.append((await client.resources.find(group.api_version, group.kind), group.namespace))
        except ClusterFault as fault:
            # Nothing of a kind is there where the kind is not.
            if fault.status != 404:
                raise
    return places


async def _definitions_in_use(client: Client, objects: Sequence[Mapping[str, Any]]) -> dict[Ref, str]:
    """Return which definitions of kinds are needed by others, and why they stay.

    Those of one API group stay together: a controller that watches the kind of one watches those of the others as well,
    and ends where one is not there.
    """
    kept: dict[Ref, str] = {}
    groups: dict[str, list[Ref]] = {}
    for one in (one for one in objects if one["kind"] == _CRD):
        definition = await Objects(client).get(one)
        if definition is None:
            continue
        spec = definition["spec"]
        groups.setdefault(str(spec["group"]), []).append(ref_of(one))
        version = next(str(each["name"]) for each in spec["versions"] if each["served"])
        resource = Resource(
            f"{spec['group']}/{version}", spec["names"]["kind"], spec["names"]["plural"], False
        )
        foreign = await listed(client, resource, labels=f"{RUN}!={label_value(str(run_of(one)))}")
        if foreign:
            kept[ref_of(one)] = f"{len(foreign)} objects of this kind are not the run's, and would go with it"
    for of_group in groups.values():
        if any(ref in kept for ref in of_group):
            for ref in of_group:
                kept.setdefault(ref, "objects of another kind of its group are not the run's")
    return kept


async def _let_go(client: Client, held: Sequence[Mapping[str, Any]], limit_s: float) -> None:
    """Wait until controllers have let go of these, which are being deleted.

    A GatewayClass whose controller has ended is let go of for it, or its kind could never be removed.
    """
    left = await left_after(client, map(ref_of, filter(_has_finalizers, held)), limit_s)
    classes = [ref for ref in left if ref.kind == "GatewayClass"]
    # Who may not, or finds it gone just now, is told what is left.
    with suppress(ClusterFault):
        await Objects(client).patch([(ref, {"metadata": {"finalizers": None}}) for ref in classes])


def _is_let_go_of(one: Mapping[str, Any]) -> bool:
    # A controller holds its class for as long as there is a Gateway of it.
    return _has_finalizers(one) or one["kind"] == "Gateway"


def _has_finalizers(one: Mapping[str, Any]) -> bool:
    return bool(one["metadata"].get("finalizers"))


def _is_owned(one: Mapping[str, Any]) -> bool:
    return any(owner.get("controller") for owner in one["metadata"].get("ownerReferences") or ())
