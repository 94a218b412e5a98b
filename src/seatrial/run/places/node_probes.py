"""Probes in the networks of nodes: one on each node that a trial has pods on, from then on to the end of the run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from seatrial.preflight.places.cluster import NODE_PROBE_CPUS, NODE_PROBE_MEMORY_BYTES, RolePods
from seatrial.run.places.lasting_probe import LastingProbe

if TYPE_CHECKING:
    from collections.abc import Callable

    from seatrial.pods.group import Group
    from seatrial.run.places.our_pods import OurPods

NODES_LIMIT = 32
"""Of more nodes the others say enough; each takes a stream and a pod."""
PRIVILEGED = {"pod-security.kubernetes.io/enforce": "privileged"}
"""A pod in the network of its node is allowed in no other namespace; these have no other right over it."""


class NodeProbesOfRun:
    """See ``NodeProbes``. Their pods are in a namespace of their own, made with the first of them."""

    def __init__(self, pods: OurPods, deadline_s: float, note: Callable[[str], None]) -> None:
        self._pods, self._deadline_s, self._note = pods, deadline_s, note
        self._starting: dict[str, asyncio.Task[LastingProbe]] = {}
        self._namespace: asyncio.Task[object] | None = None

    def on(self, node: str) -> LastingProbe | None:
        """Return the one on a node; None where it does not run yet, or will not: it is started when asked for."""
        starting = self._starting.get(node)
        if starting is None and len(self._starting) < NODES_LIMIT:
            self._starting[node] = asyncio.create_task(self._start(node, len(self._starting) + 1))
        if starting is None or not starting.done() or starting.exception() is not None:
            return None
        return starting.result()

    def why_not(self, node: str) -> str:
        """Return why there is none on a node; empty where there is one, or will be."""
        starting = self._starting.get(node)
        if starting is None:
            return f"{NODES_LIMIT} nodes are read at most"
        if not starting.done():
            return "its probe did not run yet"
        fault = starting.exception()
        return "" if fault is None else " ".join(str(fault).split())

    async def close(self) -> None:
        """Delete all of them; the namespace is removed with all of the run."""
        for starting in self._starting.values():
            starting.cancel()
        made = await asyncio.gather(*self._starting.values(), return_exceptions=True)
        probes = [probe for probe in made if isinstance(probe, LastingProbe)]
        await asyncio.gather(*(probe.close() for probe in probes), return_exceptions=True)

    async def _start(self, node: str, number: int) -> LastingProbe:
        if self._namespace is None:
            self._namespace = asyncio.create_task(
                self._pods.owned.namespace(self._pods.namespace, PRIVILEGED)
            )
        await asyncio.shield(self._namespace)

        def group_of(attempt: int) -> Group:
            each = RolePods(1, NODE_PROBE_CPUS, NODE_PROBE_MEMORY_BYTES)
            name = f"node-{number}-{attempt}"
            return self._pods.group(name, "probe", None, each, self._deadline_s, of_node=node)

        probe = LastingProbe(group_of, (), self._note)
        await probe.start()
        return probe
