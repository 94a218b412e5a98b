"""A cluster: what is looked at before a run on it, and what stands there meanwhile."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from seatrial.analysis.run.made_by import made_by
from seatrial.cluster.labels import new_run_id
from seatrial.cluster.nodes import nodes_of
from seatrial.cluster.owned import Owned
from seatrial.cluster.pods.reserved import with_reserved
from seatrial.cluster.rights import is_enough, missing_rights
from seatrial.errors import ClusterFault, EnvironmentFault
from seatrial.plan.cases import compile_cases, expected_run_s
from seatrial.preflight.findings import Finding, require, warnings_of
from seatrial.preflight.places.cluster import (
    PORTS,
    PROBE_CPUS,
    PROBE_MEMORY_BYTES,
    ROLES,
    RolePods,
    check_nodes,
    check_words,
    check_workers,
    network_not_measured,
    nodes_for,
)
from seatrial.preflight.tuning.node import READ_OF_NODE, descriptors_of, node_notes
from seatrial.record.environment import LOAD_NODE, describe, node_described
from seatrial.record.events import Noted
from seatrial.run.cluster.rights import rights_of_plan
from seatrial.run.places.lasting_probe import LastingProbe
from seatrial.run.places.node_probes import NodeProbesOfRun
from seatrial.run.places.our_pods import A_WHILE_S, LIVES_FOR, OurPods
from seatrial.run.places.pod_ends import ends_on
from seatrial.run.places.trial_pods import TrialOnCluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from seatrial.cluster.client import Client
    from seatrial.cluster.nodes import NodeFacts
    from seatrial.cluster.rights import Right
    from seatrial.plan.cases import Case
    from seatrial.plan.model.plan import Plan
    from seatrial.pods.group import Group
    from seatrial.record.writer import RunWriter
    from seatrial.run.places.ends import Ends

AWAY_LIMIT_S = 60.0
"""So long an API server may be away between two trials: it may be started anew, or be another one's turn."""
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
"""In a run's own namespace no pod may have rights over its node."""


@dataclass(frozen=True, slots=True)
class OnKubernetes:
    """An open cluster as the place of a run; see ``RunPlace``."""

    plan: Plan
    client: Client
    cases: tuple[Case, ...]

    @classmethod
    def of(cls, plan: Plan, client: Client) -> Self:
        """Return it for the cases of a plan."""
        return cls(plan, client, compile_cases(plan))

    async def found(self, _cases: tuple[Case, ...]) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Look whether the plan is one for a cluster, what may be done there, and what nodes there are."""
        findings = await self.findings()
        require(findings, "this cluster")
        made_by()
        notes = (*warnings_of(findings), *_network_notes(self.plan))
        return notes, await self.environment()

    async def environment(self) -> dict[str, Any]:
        """Return what is known of the environment before anything stands; raises ``ClusterFault``."""
        return {**describe({}), "cluster": _described(self.client, await nodes_of(self.client))}

    async def findings(self) -> tuple[Finding, ...]:
        """Return what every check says of the plan; raises ``ClusterFault``."""
        cases = self.cases
        words = tuple(check_words(cases))
        if words:
            # What is refused has no rights and no pods to be counted.
            return words
        missing = await missing_rights(self.client, rights_of_plan(cases))
        rights = (
            _lacking(missing) if missing else Finding("rights", "ok", "all that the plan needs are there")
        )
        if not is_enough(missing):
            return (rights,)
        return (rights, *check_workers(cases), *check_nodes(cases, await self._nodes()))

    async def _nodes(self, run_id: str = "") -> Sequence[NodeFacts]:
        """Return all nodes, those that take our pods with what others than the run of this id reserve there."""
        nodes = await nodes_of(self.client)
        taking = {node.name for role in ROLES for node in nodes_for(role, self.plan, nodes)}
        rest = [node for node in nodes if node.name not in taking]
        of_roles = [node for node in nodes if node.name in taking]
        return [*rest, *await with_reserved(self.client, of_roles, run_id)]

    @asynccontextmanager
    async def standing(self, writer: RunWriter) -> AsyncIterator[StandingOnCluster]:
        """Have a namespace of the run's own; everything that is made for the run is removed again."""
        owned = Owned(self.client, new_run_id(self.plan.name), writer)
        namespace = _namespace_of(owned)
        pods = OurPods(self.plan, owned, namespace)
        probe = LastingProbe(
            lambda number: _probe_group(pods, self.cases, number),
            READ_OF_NODE,
            lambda text: writer.append(Noted("seatrial", text)),
        )
        try:
            await owned.namespace(namespace, RESTRICTED)
            server, version = self.client.reference["server"], self.client.version
            writer.append(
                Noted(
                    "seatrial",
                    f"on the cluster {server}, Kubernetes {version}, in namespace {namespace}",
                )
            )
            await probe.start()
            try:
                for note in await self._seen_by(probe, owned.run_id):
                    writer.append(Noted("seatrial", note))
                async with self._node_probes(pods, writer) as node_probes:
                    yield StandingOnCluster(self.cases, owned, namespace, probe, node_probes)
            finally:
                await probe.close()
        finally:
            await owned.remove()

    @asynccontextmanager
    async def _node_probes(self, pods: OurPods, writer: RunWriter) -> AsyncIterator[NodeProbesOfRun | None]:
        if not self.plan.kubernetes.node_probes:
            yield None
            return
        in_nodes = replace(pods, namespace=f"{pods.namespace}-nodes")
        deadline_s = _lifetime_s(self.plan, self.cases)
        probes = NodeProbesOfRun(in_nodes, deadline_s, lambda text: writer.append(Noted("seatrial", text)))
        try:
            yield probes
        finally:
            await probes.close()

    async def _seen_by(self, probe: LastingProbe, run_id: str) -> Sequence[str]:
        """Return what is to be noted of the load's nodes by what the probe has read of one.

        Raises ``EnvironmentFault`` where its limit of open files is too low for any number of workers, or there is no
        room for as many as it makes them.
        """
        cases, nodes = self.cases, await self._nodes(run_id)
        descriptors = descriptors_of(probe.facts)
        require((*check_workers(cases, descriptors), *check_nodes(cases, nodes, descriptors)), "this cluster")
        of_load = nodes_for("load", self.plan, nodes)
        return tuple(node_notes(cases, probe.facts, probe.node, max(1, len(of_load))))


@dataclass(frozen=True, slots=True)
class StandingOnCluster:
    """What stands for as long as a run goes on; see ``Standing``.

    The pods of workers and origins are in the ``namespace``, and that of the ``probe``, on a node of the load.
    """

    cases: tuple[Case, ...]
    owned: Owned
    namespace: str
    probe: LastingProbe
    node_probes: NodeProbesOfRun | None = None

    def trial(self, case: Case, number: int) -> TrialOnCluster:
        """Return what one trial is made with."""
        descriptors = descriptors_of(self.probe.facts)
        if self.node_probes is not None:
            self.node_probes.try_again()
        return TrialOnCluster(
            case, number, self.owned, self.namespace, self.probe, descriptors, self.node_probes
        )

    def ends(self) -> Ends:
        """Return the nodes of the roles, where pods may be had."""
        return ends_on(self.cases, self.owned, self.namespace, descriptors_of(self.probe.facts))

    def learnt(self) -> dict[str, Any]:
        """Return what the probe has read of its node, which is one of the load."""
        return {LOAD_NODE: node_described(self.probe.facts)}

    async def require(self) -> None:
        """Wait until the API server answers: each trial without one would take its time to fail."""
        client = self.owned.client
        try:
            await client.get("/version", limit_s=AWAY_LIMIT_S, asked="begin another trial")
        except ClusterFault as fault:
            raise EnvironmentFault(
                f"the API server {client.reference['server']} has not answered for {AWAY_LIMIT_S:g} s: no other trial"
                " is begun",
                cause=fault.line,
                next_step="once it answers, go on: seatrial run --resume DIR",
            ) from fault


def _network_notes(plan: Plan) -> tuple[str, ...]:
    why = network_not_measured(plan)
    if why is None or plan.capacity == "never":
        return ()
    return (f"the network between the roles is not measured: {why}",)


_NAME_LIMIT = 12
"""Contour cuts the name of a cluster that has a namespace, a service and a digest in it at 60 letters, and what is cut
is no longer known for what it is. Namespaces of trials have a number more."""


def _namespace_of(owned: Owned) -> str:
    name, _, token = owned.run_id.rpartition("-")
    short = "".join(letter if letter.isalnum() else "-" for letter in name.lower())[:_NAME_LIMIT].strip("-")
    return f"st-{short}-{token}"


def _probe_group(pods: OurPods, cases: Sequence[Case], number: int) -> Group:
    deadline_s = _lifetime_s(pods.plan, cases)
    each = RolePods(1, PROBE_CPUS, PROBE_MEMORY_BYTES)
    return pods.group(f"probe-{number}", "probe", "load", each, deadline_s, ports=PORTS)


def _lifetime_s(plan: Plan, cases: Sequence[Case]) -> float:
    """Return how long a pod of the whole run may live."""
    trials_s = LIVES_FOR * expected_run_s(plan, tuple(cases))
    return trials_s + A_WHILE_S * (1 + len(cases) * plan.repeat)


def _lacking(missing: Sequence[Right]) -> Finding:
    named = ", ".join(str(right) for right in missing[:_NAMED])
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    remedy = "ask who owns the cluster for the role that `seatrial check PLAN --on kubernetes --rbac` prints"
    if is_enough(missing):
        return Finding("rights", "warn", f"it does not let you {named}: less will be known", remedy)
    return Finding("rights", "refuse", f"it does not let you {named}{more}", remedy)


_NAMED = 3


def _described(client: Client, nodes: Sequence[NodeFacts]) -> dict[str, Any]:
    return {
        "server": client.reference["server"],
        "version": client.version,
        "nodes": {
            node.name: {"cpus": node.cpus, "memory_bytes": node.memory_bytes, **node.versions}
            for node in nodes
        },
    }
