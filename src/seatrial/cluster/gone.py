"""Waiting until objects are gone: a deletion is accepted long before it is done, and finalizers can hold it.

A namespace is held by its pods. The controller that empties it looks again only after half of the longest time that one
of them may take to end, however soon it has: three minutes for an Envoy of Envoy Gateway, which may take six
(``ResourcesRemainingError`` in Kubernetes' pkg/controller/namespace). Its conditions say meanwhile that all is removed.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from seatrial.cluster.client import METADATA_LIST
from seatrial.cluster.objects import Objects, in_window
from seatrial.errors import ClusterFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from seatrial.cluster.client import Client
    from seatrial.cluster.resources import Ref, Resource

LIMIT_S = 120.0
_PAGE = "1000"
_ONE_BY_ONE_LIMIT = 16
"""So many of a kind are asked for by name; for more a list is less work, though it holds those of others, too."""
PODS_GRACE_S = 1
"""For pods whose namespace is being deleted: whatever they still do is of no use to anybody."""
LOOK_AGAIN = "seatrial.dev/pods-have-ended"
_POLL_S = 0.2
_POLL_LIMIT_S = 1.0


async def wait_until_gone(client: Client, refs: Iterable[Ref], limit_s: float = LIMIT_S) -> None:
    """Wait until none of them is there; raises ``ClusterFault`` that names one that stays, and what holds it."""
    left = await left_after(client, refs, limit_s)
    if left:
        raise ClusterFault(
            f"{left[0]} is not gone within {limit_s:g} s"
            + (f", nor are {len(left) - 1} others" if left[1:] else ""),
            cause=await what_holds(client, left[0]),
            next_step="see to what holds it, then: seatrial clean",
        )


async def left_after(client: Client, refs: Iterable[Ref], limit_s: float) -> tuple[Ref, ...]:
    """Return which of them are still there when all are gone or the time is over."""
    deadline_s, pause_s = time.monotonic() + limit_s, _POLL_S
    left = await _there(client, tuple(refs))
    while left and time.monotonic() + pause_s < deadline_s:
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _POLL_LIMIT_S)
        left = await _there(client, left)
    return left


async def end_pods(client: Client, namespace: str, limit_s: float) -> None:
    """Have the pods of a namespace that is being deleted end at once, and its controller look again when they have.

    Nobody can make new ones there.
    """
    path = f"/api/v1/namespaces/{namespace}"
    deadline_s, pause_s = time.monotonic() + limit_s, _POLL_S
    pods = await client.resources.find("v1", "Pod")
    try:
        grace = {"gracePeriodSeconds": PODS_GRACE_S}
        await client.delete(f"{path}/pods", grace, asked=f"delete the pods in {namespace}")
        while await listed(client, pods, namespace) and time.monotonic() < deadline_s:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _POLL_LIMIT_S)
        # It looks at whatever changes.
        changed = {"metadata": {"annotations": {LOOK_AGAIN: "yes"}}}
        await client.patch(path, changed, "merge", {}, asked=f"patch Namespace {namespace}")
    except ClusterFault as fault:
        if fault.status != 404:
            raise


async def what_holds(client: Client, ref: Ref) -> str:
    """Return what keeps an object that is being deleted, in words."""
    found = await Objects(client).get(ref)
    if found is None:
        return "it has gone just now"
    if "deletionTimestamp" not in found["metadata"]:
        return "nobody has deleted it, or it was made again"
    conditions = (found.get("status") or {}).get("conditions") or ()
    said = [str(one["message"]) for one in conditions if one.get("status") == "True" and one.get("message")]
    finalizers = found["metadata"].get("finalizers")
    said += [f"it waits for who removes its finalizers: {', '.join(finalizers)}"] if finalizers else []
    said += [words] if ref.kind == "Namespace" and (words := await _held_by_nodes(client, ref.name)) else []
    return "; ".join(said) or "it is being deleted"


async def _held_by_nodes(client: Client, namespace: str) -> str:
    """Return on which nodes pods of a namespace have not ended: only a node's kubelet can say that one has."""
    answer = await client.get(f"/api/v1/namespaces/{namespace}/pods", {"limit": _PAGE})
    counts = Counter(str(node) for pod in answer.body["items"] if (node := pod["spec"].get("nodeName")))
    if not counts:
        return ""
    nodes = ", ".join(f"{count} on node {node}" for node, count in sorted(counts.items()))
    return f"pods have not ended, {nodes}: see whether a kubelet runs there (kubectl describe node)"


async def _there(client: Client, refs: tuple[Ref, ...]) -> tuple[Ref, ...]:
    objects, there = Objects(client), []
    for _, group in itertools.groupby(sorted(refs), lambda ref: (ref.api_version, ref.kind, ref.namespace)):
        of_group = list(group)
        if len(of_group) <= _ONE_BY_ONE_LIMIT:
            found = await in_window(of_group, objects.get, objects.window)
            there += [ref for ref, one in zip(of_group, found, strict=True) if one is not None]
            continue
        resource = await client.resources.find(of_group[0].api_version, of_group[0].kind)
        names = {
            str(one["metadata"]["name"]) for one in await listed(client, resource, of_group[0].namespace)
        }
        there += [ref for ref in of_group if ref.name in names]
    return tuple(there)


async def listed(
    client: Client, resource: Resource, namespace: str = "", labels: str = ""
) -> list[Mapping[str, Any]]:
    """Return the metadata of all objects of a kind, each with its apiVersion and kind; ``labels`` selects."""
    params = {"limit": _PAGE, **({"labelSelector": labels} if labels else {})}
    kind = {"apiVersion": resource.api_version, "kind": resource.kind}
    asked = f"list {resource.plural}"
    found: list[Mapping[str, Any]] = []
    while True:
        path = resource.path(namespace)
        page = (await client.get(path, params, accept=METADATA_LIST, asked=asked)).body
        found += [{**one, **kind} for one in page["items"] or ()]
        if not (more := page["metadata"].get("continue")):
            return found
        params = {**params, "continue": str(more)}
