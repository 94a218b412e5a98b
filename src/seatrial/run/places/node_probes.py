"""Probes in the networks of nodes: one on each node that a trial has pods on, from then on to the end of the run."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from typing import TYPE_CHECKING

from seatrial.errors import SeatrialError
from seatrial.pods.probe import PodProbe
from seatrial.preflight.places.cluster import NODE_PROBE_CPUS, NODE_PROBE_MEMORY_BYTES, RolePods

if TYPE_CHECKING:
    from collections.abc import Callable

    from seatrial.run.places.our_pods import OurPods

NODES_LIMIT = 32
"""Of more nodes the others say enough; each takes a stream and a pod."""
PRIVILEGED = {"pod-security.kubernetes.io/enforce": "privileged"}
"""A pod in the network of its node is allowed in no other namespace; these have no other right over it."""


class NodeProbesOfRun:
    """See ``NodeProbes``. Their pods are in a namespace of their own, made with the first of them.

    One that is lost is made again; one that does not come up is tried once more in each trial.
    """

    def __init__(self, pods: OurPods, deadline_s: float, note: Callable[[str], None]) -> None:
        self._pods, self._deadline_s, self._note = pods, deadline_s, note
        self._numbers = itertools.count(1)
        self._starting: dict[str, asyncio.Task[PodProbe]] = {}
        self._namespace: asyncio.Task[object] | None = None

    def on(self, node: str) -> PodProbe | None:
        """Return the one on a node; None where it does not run yet, or will not: it is started when asked for."""
        starting = self._starting.get(node)
        if starting is None:
            if len(self._starting) < NODES_LIMIT:
                self._starting[node] = asyncio.create_task(self._start(node))
            return None
        if not starting.done() or starting.exception() is not None:
            return None
        probe = starting.result()
        if (why := probe.failure()) is None:
            return probe
        # A look has not the time that a pod takes to come up.
        self._note(f"the probe of a node was lost: {why}; another is made")
        self._starting[node] = asyncio.create_task(self._start(node, probe))
        return None

    def try_again(self) -> None:
        """Have a probe that did not come up started once more when it is asked for: another trial begins."""
        for node, starting in list(self._starting.items()):
            if starting.done() and not starting.cancelled() and starting.exception() is not None:
                del self._starting[node]

    def why_not(self, node: str) -> str:
        """Return why there is none on a node; empty where there is one, or will be."""
        starting = self._starting.get(node)
        if starting is None:
            return f"{NODES_LIMIT} nodes are read at most"
        if not starting.done():
            return "its probe did not run yet"
        fault = starting.exception()
        if fault is None:
            return ""
        return fault.line if isinstance(fault, SeatrialError) else repr(fault)

    async def close(self) -> None:
        """Delete all of them; the namespace is removed with all of the run."""
        for starting in self._starting.values():
            starting.cancel()
        made = await asyncio.gather(*self._starting.values(), return_exceptions=True)
        if self._namespace is not None:
            # Called off, it might be made all the same, after the run has looked for what it has made.
            await asyncio.gather(self._namespace, return_exceptions=True)
        probes = [probe for probe in made if isinstance(probe, PodProbe)]
        await asyncio.gather(*(probe.close() for probe in probes), return_exceptions=True)

    async def _start(self, node: str, lost: PodProbe | None = None) -> PodProbe:
        if lost is not None:
            # What cannot be deleted goes with the namespace.
            with suppress(SeatrialError):
                await lost.close()
        if self._namespace is None:
            self._namespace = asyncio.create_task(
                self._pods.owned.namespace(self._pods.namespace, PRIVILEGED)
            )
        await asyncio.shield(self._namespace)
        name, each = f"node-{next(self._numbers)}", RolePods(1, NODE_PROBE_CPUS, NODE_PROBE_MEMORY_BYTES)
        probe = PodProbe(self._pods.group(name, "probe", None, each, self._deadline_s, of_node=node))
        await probe.start()
        return probe
