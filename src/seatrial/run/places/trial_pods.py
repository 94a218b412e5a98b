"""One trial on a cluster: which pods are made for it, and where they may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.errors import EnvironmentFault
from seatrial.machine.place import Places
from seatrial.observe.nodes import NodeNetworks
from seatrial.observe.pods import PodSampler
from seatrial.preflight.findings import require
from seatrial.preflight.places.cluster import (
    PORTS,
    PROBER_CPUS,
    PROBER_MEMORY_BYTES,
    RolePods,
    pods_of,
    worker_pod,
    workers_of,
)
from seatrial.preflight.places.pods import check_pods
from seatrial.run.load import needs_of_load
from seatrial.run.places.our_pods import A_WHILE_S, LIVES_FOR, OurPods, limits_of, on_nodes
from seatrial.run.workers.pods import PodWorkers
from seatrial.systems.installed.create import create
from seatrial.systems.installed.manifests.objects import Site
from seatrial.systems.installed.system import Installed
from seatrial.systems.origins.pods import PodOrigin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.cluster.owned import Owned
    from seatrial.machine.address import Address
    from seatrial.observe.nodes import NodeProbes
    from seatrial.plan.cases import Case
    from seatrial.pods.group import Group
    from seatrial.pods.job import PodRole
    from seatrial.preflight.places.cluster import NodeRole
    from seatrial.run.testbed.askers import Asker
    from seatrial.systems.base import Origin, System
    from seatrial.workload.spec import LoadSpec


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
    node_probes: NodeProbes | None = None
    _system: System | None = field(default=None)

    @property
    def places(self) -> Places:
        """Where addresses are nobody's to hand out."""
        return Places(ON_NODES, ON_NODES, ON_NODES)

    def system(self, case: Case) -> System:
        """Return it at a site of its own, which is gone after the trial."""
        on_proxies = on_nodes(case.plan, "proxy")
        site = Site(f"{self.namespace}-{self.number}", case.system.label, on_proxies)
        self._system = create(case.system.options, site, self.owned)
        return self._system

    def origin(self, case: Case, seed: int) -> Origin:
        """Return it as pods, one for each of its processes as far as there are addresses for them."""
        return PodOrigin(case.origin, self._group("origin", "origin", pods_of("origin", case)), seed)

    def workers(self) -> PodWorkers:
        """Return an Indexed Job's pods."""
        limits = limits_of(self.descriptors)
        return PodWorkers(
            self._workers_group, limits, self._least, self._kept_off, prober_of=self._prober_group
        )

    @property
    def cluster(self) -> None:
        """Return None: no discoverer runs in a pod."""

    def elsewhere(self) -> PodSampler:
        """Return what reads the kubelets and the kernels of their nodes, and sees who else is on them."""
        networks = None if self.node_probes is None else NodeNetworks(self.node_probes)
        return PodSampler(self.owned.client, networks, self.owned.run_id)

    def _workers_group(self, count: int) -> Group:
        ours = self.case.plan.kubernetes
        return self._group(
            "worker",
            "load",
            RolePods(count, ours.worker_cpus, ours.worker_memory_bytes),
            ports=PORTS,
            away_from={} if ours.shared_nodes else self._proxies(),
        )

    def _prober_group(self) -> Group:
        return self._group("prober", "load", RolePods(1, PROBER_CPUS, PROBER_MEMORY_BYTES), ports=PORTS)

    def _group(self, programs: PodRole, on: NodeRole, each: RolePods, **more: Any) -> Group:
        pods = OurPods(self.case.plan, self.owned, self.namespace)
        deadline_s = LIVES_FOR * self.case.expected_s + A_WHILE_S
        return pods.group(f"{programs}-{self.number}", programs, on, each, deadline_s, **more)

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
        members = self._system.members()
        return {one.pod.node for one in members if one.pod is not None and one.role == "system"}


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
