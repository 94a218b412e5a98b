"""Pods of ours on a cluster: workers, origins and the probe of one run, each group from the same plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.pods.group import Group
from seatrial.pods.job import PodJob
from seatrial.pods.on_cluster import OneNamespace
from seatrial.preflight.places.cluster import PORTS
from seatrial.run.workers.pods import PodLimits
from seatrial.systems.installed.manifests.objects import ROLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.cluster.owned import Owned
    from seatrial.plan.model.plan import Plan
    from seatrial.pods.job import PodRole
    from seatrial.preflight.places.cluster import NodeRole, RolePods

LIVES_FOR = 3
"""A pod of ours may live for so many times as long as what it is made for should take, and a while."""
A_WHILE_S = 900.0


@dataclass(frozen=True, slots=True)
class OurPods:
    """Makes the groups of one run, in the ``namespace`` of the run."""

    plan: Plan
    owned: Owned
    namespace: str

    def group(
        self,
        name: str,
        programs: PodRole,
        on: NodeRole | None,
        each: RolePods,
        deadline_s: float,
        **more: Any,
    ) -> Group:
        """Return a group that is not started: so many ``programs``, on nodes of a role, or any where it is None.

        ``more`` is of ``PodJob``.
        """
        job = PodJob(
            name=name,
            namespace=self.namespace,
            role=programs,
            image=self.plan.kubernetes.image,
            count=each.count,
            deadline_s=deadline_s,
            cpu=f"{round(each.cpus * 1000)}m",
            memory_bytes=each.memory_bytes,
            on_nodes={} if on is None else on_nodes(self.plan, on),
            **more,
        )
        return Group(job, OneNamespace(self.owned.client, self.namespace, self.owned))


def on_nodes(plan: Plan, role: NodeRole) -> Mapping[str, str]:
    """Return the labels of the nodes that pods of a role may be on."""
    return {ROLE: role} if plan.kubernetes.nodes == "labelled" else {}


def limits_of(descriptors: int) -> PodLimits:
    """Return what a worker pod has that may have so many descriptors open."""
    return PodLimits(descriptors, PORTS[1] - PORTS[0] + 1)
