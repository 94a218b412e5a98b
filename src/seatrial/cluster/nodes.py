"""The nodes of a cluster: what each has, and whether pods may come to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.cluster.rights import rights_to

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.cluster.client import Client

RIGHTS = rights_to("list", "nodes", why="each role has nodes, with room for its pods")
_KEEPING_OFF = frozenset({"NoSchedule", "NoExecute"})
_UNITS = {
    "": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node; ``cpus`` and ``memory_bytes`` are what pods may have of it in all.

    Of these so much is ``reserved`` by pods that are there, as far as that is known. ``keeps_off`` is why no pod comes
    to it, empty where some may.
    """

    name: str
    labels: Mapping[str, str]
    cpus: float
    memory_bytes: int
    keeps_off: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    reserved_cpus: float = 0.0
    reserved_memory_bytes: int = 0

    @property
    def free_cpus(self) -> float:
        """What a scheduler still gives of its CPUs."""
        return max(0.0, self.cpus - self.reserved_cpus)

    @property
    def free_memory_bytes(self) -> int:
        """What a scheduler still gives of its memory."""
        return max(0, self.memory_bytes - self.reserved_memory_bytes)

    def has(self, labels: Mapping[str, str]) -> bool:
        """Return whether it has all of these labels."""
        return all(self.labels.get(name) == value for name, value in labels.items())


async def nodes_of(client: Client) -> tuple[NodeFacts, ...]:
    """Return every node, by name. Raises ``ClusterFault``."""
    answer = await client.get("/api/v1/nodes", asked="list the nodes")
    return tuple(sorted(map(facts_of_node, answer.body["items"]), key=lambda node: node.name))


def facts_of_node(node: Mapping[str, Any]) -> NodeFacts:
    """Return the facts of a node's object."""
    status, info = node["status"], node["status"].get("nodeInfo") or {}
    room = status.get("allocatable") or {}
    return NodeFacts(
        name=str(node["metadata"]["name"]),
        labels=dict(node["metadata"].get("labels") or {}),
        cpus=quantity(str(room.get("cpu", "0"))),
        memory_bytes=int(quantity(str(room.get("memory", "0")))),
        keeps_off=_keeps_off(node),
        versions={
            "kernel": str(info.get("kernelVersion", "")),
            "system": str(info.get("osImage", "")),
            "runtime": str(info.get("containerRuntimeVersion", "")),
            "kubelet": str(info.get("kubeletVersion", "")),
            "architecture": str(info.get("architecture", "")),
        },
    )


def quantity(text: str) -> float:
    """Return a quantity as Kubernetes writes it, such as ``1930m`` or ``16Gi``; raises ValueError for any other."""
    found = re.fullmatch(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)([A-Za-z]*)", text)
    if found is None or found[2] not in _UNITS:
        raise ValueError(f"{text!r} is not a quantity")
    return float(found[1]) * _UNITS[found[2]]


def _keeps_off(node: Mapping[str, Any]) -> str:
    conditions = {str(one["type"]): one for one in node["status"].get("conditions") or ()}
    ready = conditions.get("Ready") or {}
    if ready.get("status") != "True":
        return f"it is not ready: {ready.get('message') or ready.get('reason') or 'it does not say why'}"
    spec = node.get("spec") or {}
    if spec.get("unschedulable"):
        return "it is cordoned"
    taints = [one for one in spec.get("taints") or () if one.get("effect") in _KEEPING_OFF]
    return f"it has the taint {taints[0]['key']}:{taints[0]['effect']}" if taints else ""
