"""The ends of a way on a cluster: pods of ours on the nodes of a role."""

from __future__ import annotations

import dataclasses
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.preflight.places.cluster import pods_of, role_most
from seatrial.run.places.ends import CONNECTIONS_MOST, Ends
from seatrial.run.places.our_pods import A_WHILE_S, OurPods, limits_of
from seatrial.run.places.trial_pods import ON_NODES
from seatrial.run.workers.pods import PodWorkers
from seatrial.systems.base import Launch
from seatrial.systems.origins.options import OriginPlan
from seatrial.systems.origins.pods import PodOrigin
from seatrial.topology.expand import NOWHERE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from seatrial.cluster.owned import Owned
    from seatrial.machine.address import Endpoint
    from seatrial.machine.processes.changes import ChangeLog
    from seatrial.plan.cases import Case
    from seatrial.pods.group import Group
    from seatrial.pods.job import PodRole
    from seatrial.preflight.places.cluster import NodeRole, RolePods
    from seatrial.run.workers.base import Workers


@dataclass(frozen=True, slots=True)
class PodEnd:
    """As many pods, with as much of a node, as the ``role`` has in the case that asks most of it; see ``End``.

    So the way is measured over as many nodes as the trials have, and its pods have room where theirs have. Each may
    have so many ``descriptors`` open.
    """

    case: Case
    role: NodeRole
    owned: Owned
    namespace: str
    descriptors: int

    place = None

    @property
    def count(self) -> int:
        """How many pods there are."""
        return self._pods.count

    @asynccontextmanager
    async def working(self, label: str) -> AsyncIterator[Workers]:
        """Have the pods of one Job, made with the first load."""
        workers = PodWorkers(
            lambda count: self._group("worker", label, count),
            limits_of(self.descriptors),
            lambda _: self.count,
            frozenset,
            several_loads=True,
        )
        try:
            yield workers
        finally:
            await workers.end()

    @asynccontextmanager
    async def serving(
        self,
        body_bytes: int,
        label: str,
        folder: Path,
        changes: ChangeLog,  # noqa: ARG002
    ) -> AsyncIterator[tuple[Endpoint, ...]]:
        """Have the pods of another Job, each with an address."""
        count = self.count
        origin = PodOrigin(
            OriginPlan(body_bytes=body_bytes, processes=count), self._group("origin", label, count)
        )
        endpoints = await origin.start(
            Launch(folder, folder, NOWHERE, CONNECTIONS_MOST, ON_NODES, label, listens=count)
        )
        try:
            yield endpoints
        finally:
            await origin.stop()

    def _group(self, programs: PodRole, label: str, count: int) -> Group:
        each = dataclasses.replace(self._pods, count=count)
        pods = OurPods(self.case.plan, self.owned, self.namespace)
        return pods.group(f"network-{label}", programs, self.role, each, A_WHILE_S)

    @property
    def _pods(self) -> RolePods:
        return pods_of(self.role, self.case, self.descriptors)


def ends_on(cases: Sequence[Case], owned: Owned, namespace: str, descriptors: int) -> Ends:
    """Return the ends between which a plan's load goes."""

    def end(role: NodeRole) -> PodEnd:
        return PodEnd(role_most(role, cases, descriptors), role, owned, namespace, descriptors)

    return Ends(end("load"), end("proxy"), end("origin"))
