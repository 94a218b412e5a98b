"""What the pods on a node reserve of it: a scheduler gives to others only what they leave."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from seatrial.cluster.labels import RUN, label_value
from seatrial.cluster.nodes import quantity
from seatrial.cluster.objects import WINDOW, in_window
from seatrial.errors import ClusterFault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seatrial.cluster.client import Client
    from seatrial.cluster.nodes import NodeFacts

_FORBIDDEN = 403


async def with_reserved(client: Client, nodes: Sequence[NodeFacts], run_id: str = "") -> list[NodeFacts]:
    """Return the nodes with what pods reserve there, but for those of the run of this id.

    Who may not list pods gets them as they are. Raises ``ClusterFault``.
    """

    async def read(node: NodeFacts) -> NodeFacts:
        asked = {
            # What the API server has in memory, by node, is new enough.
            "fieldSelector": f"spec.nodeName={node.name},status.phase!=Succeeded,status.phase!=Failed",
            "resourceVersion": "0",
        }
        if run_id:
            asked["labelSelector"] = f"{RUN}!={label_value(run_id)}"
        try:
            answer = await client.get("/api/v1/pods", asked, asked=f"list the pods on node {node.name}")
        except ClusterFault as fault:
            if fault.status != _FORBIDDEN:
                raise
            return node
        # One that is on its way out is gone before a pod of ours comes.
        there = [pod for pod in answer.body["items"] or () if "deletionTimestamp" not in pod["metadata"]]
        each = [reserved_by(pod) for pod in there]
        return replace(
            node, reserved_cpus=sum(cpus for cpus, _ in each), reserved_memory_bytes=sum(by for _, by in each)
        )

    return await in_window(nodes, read, WINDOW)


def reserved_by(pod: Mapping[str, Any]) -> tuple[float, int]:
    """Return the CPUs and the bytes of memory that a pod reserves, as the scheduler counts them.

    Source: "Pod Overhead", "Init Containers", "Assign Pod-level CPU and memory resources" (Kubernetes documentation).
    """
    spec = pod["spec"]
    cpus, memory = (_reserved(spec, name) for name in ("cpu", "memory"))
    return cpus, int(memory)


def _reserved(spec: Mapping[str, Any], name: str) -> float:
    overhead = _quantity(spec.get("overhead"), name)
    if name in (whole := _requests(spec)):
        return quantity(str(whole[name])) + overhead
    sidecars = most = 0.0
    for container in spec.get("initContainers") or ():
        needs = _quantity(_requests(container), name)
        if container.get("restartPolicy") == "Always":
            # It goes on beside all that come after it.
            sidecars += needs
            most = max(most, sidecars)
        else:
            most = max(most, sidecars + needs)
    running = sidecars + sum(_quantity(_requests(one), name) for one in spec.get("containers") or ())
    return max(most, running) + overhead


def _requests(of: Mapping[str, Any]) -> Mapping[str, Any]:
    return (of.get("resources") or {}).get("requests") or {}


def _quantity(quantities: Mapping[str, Any] | None, name: str) -> float:
    return quantity(str((quantities or {}).get(name, "0")))
