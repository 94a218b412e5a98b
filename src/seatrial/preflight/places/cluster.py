"""Whether a plan can be run on a cluster: what there is not of it there, and whether its nodes have room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seatrial.plan.model.during import topologies
from seatrial.preflight.cases import needs_of_case
from seatrial.preflight.findings import Finding
from seatrial.preflight.places.pods import Pod, check_pods, check_rate, pods_for_rate, pods_needed
from seatrial.systems.disturbance import why_not
from seatrial.systems.installed.kinds.options import GIB, ControlledOptions
from seatrial.systems.installed.manifests.objects import ROLE
from seatrial.systems.origins.pods import pods_for
from seatrial.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from seatrial.cluster.nodes import NodeFacts
    from seatrial.plan.cases import Case
    from seatrial.plan.model.plan import Plan

NodeRole = Literal["load", "proxy", "origin"]
ROLES: tuple[NodeRole, ...] = ("load", "proxy", "origin")
PORTS = (1024, 65_535)
"""Every port that needs no privilege: all of a pod's own address are for its connections."""
MAX_DESCRIPTORS = 1 << 20
"""As many as a container has where nobody has said otherwise; a run asks a pod."""
PROBE_CPUS, PROBE_MEMORY_BYTES = 0.2, 128 << 20
"""Of the pod that asks for routes from a node of the load: for ten thousand through twenty proxies it takes 40 MB."""
NODE_PROBE_CPUS, NODE_PROBE_MEMORY_BYTES = 0.1, 64 << 20
"""Of the pod that reads what the kernel of a node counts: it is asked every few seconds."""
PROBER_CPUS, PROBER_MEMORY_BYTES = 0.2, 64 << 20
"""Of the pod that probes what changes: it sends a thousand requests a second by default."""
_LABEL = "label a node: kubectl label node NAME seatrial.dev/role={}; or `kubernetes: {{nodes: any}}`"


def check_words(cases: Sequence[Case]) -> Iterator[Finding]:
    """Yield what the cases of a plan ask that is of one machine only."""
    for text, remedy in dict.fromkeys(pair for case in cases for pair in _not_there(case)):
        yield Finding("cluster", "refuse", text, remedy)


def _not_there(case: Case) -> Iterator[tuple[str, str]]:
    plan = case.plan
    yield from _not_done_there(case)
    yield from _not_taken_there(case)
    if case.load.sources:
        yield "`sources`: a pod has one address", "leave it out: `workers` says how many addresses there are"
    if case.origin.kind != "seatrial":
        yield (
            f"an origin of kind `{case.origin.kind}` does not run on a cluster",
            "`origin: {kind: seatrial}`",
        )
    if case.scrape_s:
        yield (
            "`scrape`: the proxies of a cluster are not scraped by Seatrial",
            "leave it out, and ask the cluster's own Prometheus: `observe: {prometheus: URL, queries: ...}`",
        )
    if not isinstance(plan.cpus, str):
        yield (
            "`cpus`: which CPUs pods have is their nodes' to decide",
            "leave it out; `kubernetes: {worker_cpus: N}`",
        )
    if plan.capacity == "always" and (why := network_not_measured(plan)):
        yield f"`capacity: always`: {why}", "`capacity: never`, or label the nodes"


def _not_done_there(case: Case) -> Iterator[tuple[str, str]]:
    """Yield what of ``during`` cannot be done there: one that says itself where it runs was not even read so."""
    kind, possible = case.system.kind, case.system.options.disturbances_on_cluster
    if case.disturbances and not possible:
        yield f"`during`: nothing can be done to `{kind}` on a cluster", "run it on one machine"
        return
    for what in dict.fromkeys(one.do for one in case.disturbances if one.do not in possible):
        why = why_not(what, on_cluster=True)
        yield (
            f"`during`: `{what}` cannot be done to `{kind}` on a cluster{f': {why}' if why else ''}",
            f"run it on one machine, or do there: {', '.join(f'`{one}`' for one in sorted(possible))}",
        )


def _not_taken_there(case: Case) -> Iterator[tuple[str, str]]:
    """Yield whether a system would leave out some of the endpoints: fewer would be measured than are asked for."""
    most = max(plan.endpoints for plan in topologies(case.topology, case.disturbances))
    pods = _origin_pods(case)
    if case.system.options.one_endpoint_a_host and most > pods:
        yield (
            f"`endpoints`: of a service's endpoints `{case.system.kind}` takes one at each address on a cluster, and "
            f"the {most:,} of each are on {pods:,} pod{'s' * (pods != 1)} of the origin",
            f"`origin: {{processes: {most}}}`",
        )


def network_not_measured(plan: Plan) -> str | None:
    """Return why what the network of a plan carries cannot be measured; None where it can."""
    if plan.place == "kubernetes" and plan.kubernetes.nodes == "any":
        return (
            "with `kubernetes: {nodes: any}` the roles have no nodes of their own, between which it could be"
            " measured"
        )
    return None


def check_nodes(
    cases: Sequence[Case], nodes: Sequence[NodeFacts], descriptors: int = MAX_DESCRIPTORS
) -> Iterator[Finding]:
    """Yield whether each role has nodes that take pods, with room for the largest case's.

    A worker may have so many ``descriptors`` open, and there are the more of them.
    """
    kept_off = "; ".join(f"{node.name}: {node.keeps_off}" for node in nodes if node.keeps_off)
    plan = cases[0].plan
    by_label = plan.kubernetes.nodes == "labelled"
    for role in ROLES:
        of = nodes_for(role, plan, nodes)
        if not of:
            which = f"with the label {ROLE}={role} " if by_label else ""
            text = f"no node {which}takes pods{f' ({kept_off})' if kept_off else ''}"
            usable = "kubectl uncordon NODE, or remove its taint; or " if kept_off else ""
            yield Finding(f"nodes-{role}", "refuse", text, usable + _LABEL.format(role))
            continue
        yield _room(role, of, role_most(role, cases, descriptors), descriptors)


def nodes_for(role: NodeRole, plan: Plan, nodes: Iterable[NodeFacts]) -> list[NodeFacts]:
    """Return the nodes that take the pods of a role."""
    usable = [node for node in nodes if not node.keeps_off]
    return [node for node in usable if plan.kubernetes.nodes == "any" or node.has({ROLE: role})]


def check_workers(cases: Sequence[Case], descriptors: int = MAX_DESCRIPTORS) -> Iterator[Finding]:
    """Yield whether the workers of the fastest case have CPU for its rate, and whose connections none could hold.

    Each may have so many ``descriptors`` open.
    """
    for case in cases:
        pods = check_pods(needs_of_case(case), worker_pod(case, descriptors), workers_of(case, descriptors))
        if refused := [finding for finding in pods if finding.severity == "refuse"]:
            yield refused[0]
            return
    fastest = max(cases, key=lambda case: case.load.peak_rate_per_s or 0.0)
    yield from check_rate(needs_of_case(fastest), worker_pod(fastest), workers_of(fastest))


def worker_pod(case: Case, descriptors: int = MAX_DESCRIPTORS) -> Pod:
    """Return what a worker pod of a case may use."""
    ours = case.plan.kubernetes
    return Pod(ours.worker_memory_bytes, PORTS[1] - PORTS[0] + 1, descriptors, cpus=ours.worker_cpus)


def workers_of(case: Case, descriptors: int = MAX_DESCRIPTORS) -> int:
    """Return how many workers a case has: as many as its plan says, or as its rate and its connections take."""
    needs, pod = needs_of_case(case), worker_pod(case, descriptors)
    if case.load.workers is not None:
        return max(case.load.workers, pods_needed(pod, needs))
    return max(pods_for_rate(pod, needs), pods_needed(pod, needs))


@dataclass(frozen=True, slots=True)
class RolePods:
    """How many pods a role has in a case, and how much each of them reserves."""

    count: int
    cpus: float
    memory_bytes: int


def pods_of(role: NodeRole, case: Case, descriptors: int = MAX_DESCRIPTORS) -> RolePods:
    """Return the pods of a role; one where it is not ours to say how many there are."""
    ours, options = case.plan.kubernetes, case.system.options
    if role == "load":
        return RolePods(workers_of(case, descriptors), ours.worker_cpus, ours.worker_memory_bytes)
    if role == "origin":
        return RolePods(_origin_pods(case), ours.origin_cpus, ours.origin_memory_bytes)
    cpus = getattr(options, "cpus", None) or getattr(options, "concurrency", None) or 1
    memory_bytes = getattr(options, "memory_bytes", GIB)
    if isinstance(options, ControlledOptions):
        beside = options.beside_each_proxy
        cpus, memory_bytes = cpus + beside.cpus, memory_bytes + beside.memory_bytes
    return RolePods(getattr(options, "proxies", None) or 1, cpus, memory_bytes)


def _origin_pods(case: Case) -> int:
    plans = topologies(case.topology, case.disturbances)
    return pods_for(case.origin.processes, max(plan.services_in_all * plan.endpoints for plan in plans))


def role_most(role: NodeRole, cases: Sequence[Case], descriptors: int = MAX_DESCRIPTORS) -> Case:
    """Return the case that reserves most for a role."""
    return max(cases, key=lambda case: _asked(role, case, descriptors))


def _room(role: NodeRole, nodes: Sequence[NodeFacts], case: Case, descriptors: int) -> Finding:
    of_role = _asked(role, case, descriptors)
    probes = len(nodes) if case.plan.kubernetes.node_probes else 0
    cpus, memory = of_role[0] + probes * NODE_PROBE_CPUS, of_role[1] + probes * NODE_PROBE_MEMORY_BYTES
    has_cpus, has_memory = sum(one.free_cpus for one in nodes), sum(one.free_memory_bytes for one in nodes)
    of_all = _of_all(nodes)
    text = (
        f"{', '.join(node.name for node in nodes)}: {cpus:g} CPUs and {format_size(memory)} asked for, "
        f"{has_cpus:g} and {format_size(has_memory)} free{of_all}"
    )
    remedy = "more nodes, or less of each for its pods"
    if of_all:
        remedy += ", or fewer pods of others there"
    if cpus > has_cpus or memory > has_memory:
        if of_role[0] <= has_cpus and of_role[1] <= has_memory:
            remedy += (
                "; or `kubernetes: {node_probes: no}`: what the kernels of the nodes count is not known then"
            )
        return Finding(f"nodes-{role}", "refuse", text, remedy)
    pods = pods_of(role, case, descriptors)
    if of_role[0] and (fit := sum(_fitting(node, pods, probes) for node in nodes)) < pods.count:
        each = f"{pods.cpus:g} CPU{'s' * (pods.cpus != 1)} and {format_size(pods.memory_bytes)}"
        text += f", but of {pods.count} pods of {each} each only {fit} have room on one"
        return Finding(f"nodes-{role}", "refuse", text, remedy)
    return Finding(f"nodes-{role}", "ok", text)


def _of_all(nodes: Sequence[NodeFacts]) -> str:
    """Return " of 16 and 64 GiB", of how much that is what others leave; "" where there are no others."""
    if not any(node.reserved_cpus or node.reserved_memory_bytes for node in nodes):
        return ""
    cpus, memory = sum(one.cpus for one in nodes), sum(one.memory_bytes for one in nodes)
    return f" of {cpus:g} and {format_size(memory)}"


def _fitting(node: NodeFacts, each: RolePods, probes: int) -> int:
    """Return how many pods have room on a node, each on it as a whole, beside the probe of the node."""
    cpus = node.free_cpus - NODE_PROBE_CPUS * bool(probes)
    memory = node.free_memory_bytes - NODE_PROBE_MEMORY_BYTES * bool(probes)
    # Sums of tenths are not exact.
    return max(0, min(int(cpus / each.cpus + 1e-6), memory // each.memory_bytes))


def _asked(role: NodeRole, case: Case, descriptors: int) -> tuple[float, int]:
    """Return the CPUs and the memory that the pods of a role reserve, beside those of others on their nodes."""
    pods = pods_of(role, case, descriptors)
    if role == "proxy" and not getattr(case.system.options, "proxies", None):
        return 0.0, 0
    cpus, memory = (PROBE_CPUS, PROBE_MEMORY_BYTES) if role == "load" else (0.0, 0)
    if role == "proxy" and isinstance(case.system.options, ControlledOptions):
        # On the nodes of its proxies.
        controller = case.system.options.controller_resources
        cpus, memory = controller.cpus, controller.memory_bytes
    if role == "load" and case.objects is not None:
        cpus, memory = cpus + PROBER_CPUS, memory + PROBER_MEMORY_BYTES
    return pods.count * pods.cpus + cpus, pods.count * pods.memory_bytes + memory
