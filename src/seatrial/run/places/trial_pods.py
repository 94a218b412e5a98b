"""One trial on a cluster: which pods are made for it, and where they may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault
from seatrial.machine.place import Places
from seatrial.observe.pods import PodSampler
from seatrial.plan.model.during import topologies
from seatrial.pods.group import Group
from seatrial.pods.job import PodJob
from seatrial.pods.on_cluster import OneNamespace
from seatrial.preflight.findings import require
from seatrial.preflight.places.cluster import PORTS, ROLE, worker_pod, workers_of
from seatrial.preflight.places.pods import check_pods
from seatrial.run.load import needs_of_load
from seatrial.run.workers.pods import PodLimits, PodWorkers
from seatrial.systems.installed.create import create
from seatrial.systems.installed.direct import DirectPods
from seatrial.systems.installed.manifests.objects import Site
from seatrial.systems.installed.system import Installed
from seatrial.systems.origins.pods import PodOrigin, pods_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.cluster.owned import Owned
    from seatrial.machine.address import Address
    from seatrial.plan.cases import Case
    from seatrial.plan.model.plan import Plan
    from seatrial.pods.job import PodRole
    from seatrial.run.testbed.askers import Asker
    from seatrial.systems.base import Origin, System
    from seatrial.workload.spec import LoadSpec

LIVES_FOR = 3
"""A pod of ours may live for so many times as long as its trial should take, and a while."""
A_WHILE_S = 900.0


@dataclass(slots=True)
class TrialOnCluster:
    """The pods of one trial; see ``TrialPlace``. Those of ours are in the ``namespace`` of the run.

    A worker may have so many ``descriptors`` open.
    """

    case: Case
    number: int
    owned: Owned
    namespace: str
    asked_from: Asker
    descriptors: int
    _system: System | None = field(default=None)

    @property
    def places(self) -> Places:
        """Where addresses are nobody's to hand out."""
        return Places(ON_NODES, ON_NODES, ON_NODES)

    def system(self, case: Case) -> System:
        """Return it at a site of its own, which is gone after the trial."""
        if not case.system.options.proxied and case.system.kind == "direct":
            self._system = DirectPods()
        else:
            site = Site(f"{self.namespace}-{self.number}", case.system.label, self._on("proxy"))
            self._system = create(case.system.options, site, self.owned)
        return self._system

    def origin(self, case: Case, seed: int) -> Origin:
        """Return it as pods, one for each of its processes as far as there are addresses for them."""
        plans = tuple(topologies(case.topology, case.disturbances))
        addresses = max(plan.services_in_all * plan.endpoints for plan in plans)
        ours = case.plan.kubernetes
        count = pods_for(case.origin.processes, addresses)
        job = self._job("origin", count, ours.origin_cpus, ours.origin_memory_bytes)
        return PodOrigin(case.origin, self._group(job), seed)

    def workers(self) -> PodWorkers:
        """Return an Indexed Job's pods."""
        limits = PodLimits(self.descriptors, PORTS[1] - PORTS[0] + 1)
        return PodWorkers(self._workers_group, limits, self._least, self._kept_off)

    def elsewhere(self) -> PodSampler:
        """Return what reads the kubelets of their nodes."""
        return PodSampler(self.owned.client)

    def _workers_group(self, count: int) -> Group:
        ours = self.case.plan.kubernetes
        job = self._job("worker", count, ours.worker_cpus, ours.worker_memory_bytes)
        return self._group(job)

    def _job(self, role: PodRole, count: int, cpus: float, memory_bytes: int) -> PodJob:
        ours = self.case.plan.kubernetes
        return PodJob(
            name=f"{role}-{self.number}",
            namespace=self.namespace,
            role=role,
            image=ours.image,
            count=count,
            deadline_s=LIVES_FOR * self.case.expected_s + A_WHILE_S,
            cpu=f"{round(cpus * 1000)}m",
            memory_bytes=memory_bytes,
            on_nodes=self._on("load" if role == "worker" else "origin"),
            away_from=self._proxies() if role == "worker" and not ours.shared_nodes else {},
            ports=PORTS if role == "worker" else None,
        )

    def _group(self, job: PodJob) -> Group:
        return Group(job, OneNamespace(self.owned.client, self.namespace, self.owned))

    def _on(self, role: str) -> Mapping[str, str]:
        return on_nodes(self.case.plan, role)

    def _proxies(self) -> Mapping[str, str]:
        return self._system.recipe.proxies() if isinstance(self._system, Installed) else {}

    def _least(self, load: LoadSpec) -> int:
        count = workers_of(self.case, self.descriptors)
        pod = worker_pod(self.case, self.descriptors)
        require(check_pods(needs_of_load(load), pod, count), "this cluster")
        return count

    def _kept_off(self) -> set[str]:
        if self.case.plan.kubernetes.shared_nodes or self._system is None:
            return set()
        return {member.pod.node for member in self._system.members() if member.pod is not None}


def on_nodes(plan: Plan, role: str) -> Mapping[str, str]:
    """Return the labels of the nodes that pods of a role may be on."""
    return {ROLE: role} if plan.kubernetes.nodes == "labelled" else {}


class _OnNodes:
    """Somewhere that nothing of this machine is; see ``Place``."""

    host = "pods"
    namespace = None
    cpus = None

    def address(self) -> Address:
        raise _not_here()

    def addresses(self, count: int) -> tuple[Address, ...]:  # noqa: ARG002
        raise _not_here()

    def sources(self, count: int) -> tuple[str, ...]:  # noqa: ARG002
        return ()


def _not_here() -> EnvironmentFault:
    return EnvironmentFault(
        "an address of a pod was asked for before there was one",
        cause="pods are given theirs by the cluster",
        next_step="report it with the plan",
    )


ON_NODES = _OnNodes()
