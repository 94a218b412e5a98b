"""Samples of pods and their nodes, from the kubelets through the API server: CPU, memory, throttling, network.

A look here is a reading of pages. What is on them was seen by the kubelet, at moments of its own: samples are of those,
put onto our clock, and what a page repeats is dropped. So readings need not be often, and a late one loses nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from seatrial.cluster.objects import WINDOW, in_window
from seatrial.cluster.pods.node import CADVISOR_METRICS, RESOURCE_METRICS, node_proxy
from seatrial.cluster.pods.others import nodes_of_other_runs
from seatrial.errors import ClusterFault
from seatrial.generator.clocks import Clocks
from seatrial.observe.cluster_events import events_since
from seatrial.observe.kubelet import names_of, read_page
from seatrial.observe.reach import Reach
from seatrial.observe.samples import NetworkSample, NodeSample, ProcessSample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from seatrial.cluster.answers import Answer
    from seatrial.cluster.client import Client
    from seatrial.machine.members import Member, Role
    from seatrial.observe.kubelet import ContainerKey, ContainerLook, NetworkLook, NodeLook, PodName, Seen
    from seatrial.observe.nodes import NodeNetworks
    from seatrial.observe.samples import NodeAway, Sample

LEAST_INTERVAL_S, INTERVAL_S = 2.0, 10.0
"""A kubelet's looks at a pod are the longer apart at least, by default: it is read so seldom where there is nothing
new, and more often where there is. To write a page takes CPU of the node: a long one is never read often."""
LONG_PAGE_BYTES = 1 << 20
SPREAD_S = 1.0
"""Over so long a look at many nodes is spread: at once it would take all the CPU there is between them and here."""
OTHERS_EVERY_S = 10.0
"""How often it is asked who else measures on these nodes: a run is there for longer."""
READ_LIMIT_S = 4.0
"""A node that has not answered by then could not be read; the next reading of the others is not kept waiting for it."""
_MILLISECOND_NS, _SECOND_NS = 1_000_000, 1_000_000_000
_FORBIDDEN = 403
_OF_THE_WAY = frozenset({0, 500, 502, 503, 504})
"""What is answered where the API server does not reach a kubelet; 0 is nothing."""
_ID_DIGITS = 12
"""As many digits of a container's id tell it from others as tools show of it."""


class PodSampler:
    """Reads the kubelets of those nodes that members of one trial are on, as pods, and looks who else is on them.

    Who else is known by the label of his run, which is another than ``run_id``; without that nobody is looked for. It
    raises nothing for a cluster that does not answer: what was missed is among the ``remarks``.
    """

    def __init__(self, client: Client, networks: NodeNetworks | None = None, run_id: str = "") -> None:
        self.interval_s = LEAST_INTERVAL_S
        """When it is to be read next: more seldom where nothing was new."""
        self.cpu_s = 0.0
        """CPU that understanding the pages took, without their way here."""
        self._client = client
        self._run_id = run_id
        self._networks = networks
        self._since_s = time.time()
        self._clocks = Clocks()
        self._last: dict[object, tuple[int, float]] = {}
        self._cores: dict[str, int] = {}
        self._readings: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._why: dict[str, str] = {}
        self._refused: set[str] = set()
        self._asked: set[PodName] = set()
        self._seen: set[PodName] = set()
        self._oom_kills: dict[ContainerKey, tuple[int, int]] = {}
        self._no_events = ""
        self._nodes: set[str] = set()
        self._nodes_of_others: defaultdict[str, set[str]] = defaultdict(set)
        self._no_others = ""
        self._others_due_s = 0.0
        self._namespaces: set[str] = set()
        self._reach = Reach()
        self._is_long = False

    async def look(self, members: Iterable[Member], *, at_once: bool = False) -> Sequence[Sample]:
        """Read every node of theirs once, one a little after the other; return what is new, by time.

        A look ``at_once`` is at all together, and at what is read more seldom, too.
        """
        by_node: defaultdict[str, dict[PodName, Member]] = defaultdict(dict)
        for member in members:
            pod = member.pod
            if pod is None:
                continue
            self._namespaces.add(pod.namespace)
            if pod.node:
                self._nodes.add(pod.node)
                by_node[pod.node][pod.namespace, pod.name] = member
        # Looks may overlap: each has its own.
        answered: set[str] = set()
        roles = {node: _roles(its.values()) for node, its in by_node.items()}
        # A kernel is read without the right to read its node's kubelet.
        asked = [(node, its) for node, its in by_node.items() if node not in self._refused]
        now_s, apart_s = time.monotonic(), 0.0 if at_once else SPREAD_S / max(1, len(asked))
        found, of_kernels, _ = await asyncio.gather(
            in_window(
                list(enumerate(asked)),
                lambda one: self._read(now_s + one[0] * apart_s, *one[1], answered),
                WINDOW,
            ),
            self._look_at_networks(roles, at_once=at_once),
            self._look_for_others(at_once=at_once),
        )
        self._reach.took({node: roles[node] for node, _ in asked}, answered, time.monotonic())
        samples = [sample for of_node in found for sample in of_node]
        has_news = bool(samples) and not self._is_long
        self.interval_s = LEAST_INTERVAL_S if has_news else min(INTERVAL_S, 2 * self.interval_s)
        return sorted((*samples, *of_kernels), key=lambda sample: sample.at_s)

    async def finish(self, members: Iterable[Member]) -> Sequence[Sample]:
        """Look once more, and return what the cluster has reported of the pods' namespaces and of nodes, too."""
        last = await self.look(members, at_once=True)
        namespaces = sorted(self._namespaces)
        try:
            return [*last, *await events_since(self._client, namespaces, self._since_s, READ_LIMIT_S)]
        except ClusterFault as fault:
            self._no_events = fault.what
            return last

    def away(self) -> tuple[NodeAway, ...]:
        """Return which nodes could not be reached, and when."""
        return self._reach.away(time.monotonic())

    def runs_beside(self) -> tuple[str, ...]:
        """Return which other runs had pods on the nodes of this trial meanwhile, and on which."""
        return tuple(
            f"{run} on {', '.join(sorted(shared))}"
            for run, nodes in sorted(self._nodes_of_others.items())
            if (shared := nodes & self._nodes)
        )

    def remarks(self) -> tuple[str, ...]:
        """Return what could not be known, and why."""
        return tuple(self._remarks())

    async def _look_at_networks(
        self, roles: Mapping[str, tuple[Role, ...]], *, at_once: bool
    ) -> Sequence[NetworkSample]:
        return () if self._networks is None else await self._networks.look(roles, at_once=at_once)

    async def _look_for_others(self, *, at_once: bool) -> None:
        if not self._run_id or not (at_once or time.monotonic() >= self._others_due_s):
            return
        self._others_due_s = time.monotonic() + OTHERS_EVERY_S
        try:
            others = await nodes_of_other_runs(self._client, self._run_id, READ_LIMIT_S)
        except ClusterFault as fault:
            self._no_others = fault.what
            return
        for run, nodes in others.items():
            self._nodes_of_others[run] |= nodes

    def _remarks(self) -> Iterator[str]:
        if self._networks is not None:
            yield from self._networks.remarks()
        if self._refused:
            yield (
                f"not known: CPU, memory and network of the pods on {', '.join(sorted(self._refused))}: may not read"
                " nodes/proxy (`seatrial check --on kubernetes --rbac` prints the role that may)"
            )
        for node, failures in sorted(self._failures.items()):
            yield (
                f"the kubelet of node {node} could not be read {failures:,} of {self._readings[node]:,} times:"
                f" {self._why[node]}"
            )
        if silent := self._asked - self._seen:
            yield f"not known: CPU and memory of {names_of(silent)}: the kubelet said nothing of {_it(silent)}"
        for key, (first, last) in sorted(self._oom_kills.items()):
            if last > first:
                yield (
                    f"the kernel killed {last - first:,} of the processes of {'/'.join(key.pod)} ({key.container}) for"
                    " want of memory"
                )
        if self._no_others:
            yield f"not known at every look: whether another run of Seatrial was on these nodes: {self._no_others}"
        if self._no_events:
            yield f"not known: what the cluster reported meanwhile: {self._no_events}"

    async def _read(
        self, due_s: float, node: str, members: Mapping[PodName, Member], answered: set[str]
    ) -> Sequence[_Timed]:
        await asyncio.sleep(due_s - time.monotonic())
        found: list[_Timed] = []
        self._readings[node] += 1
        try:
            for path in (CADVISOR_METRICS, RESOURCE_METRICS):
                answer = await node_proxy(self._client, node, path, READ_LIMIT_S)
                began_s = time.thread_time()
                found += self._understood(node, members, answer)
                self.cpu_s += time.thread_time() - began_s
        except ClusterFault as fault:
            if fault.status not in _OF_THE_WAY:
                answered.add(node)
            if fault.status == _FORBIDDEN:
                self._refused.add(node)
            else:
                self._failures[node] += 1
                self._why[node] = fault.line
        except ValueError as error:
            answered.add(node)
            self._failures[node] += 1
            self._why[node] = f"its page is not what a kubelet writes: {error}"
        else:
            answered.add(node)
            # Where nothing could be read, that is what there is to say.
            self._asked |= members.keys()
        return found

    def _understood(self, node: str, members: Mapping[PodName, Member], answer: Answer) -> Iterator[_Timed]:
        seen = read_page(
            str(answer.body), {name: member.pod.uid for name, member in members.items() if member.pod}
        )
        self._learn(node, seen, answer)
        self._is_long = self._is_long or len(answer.body) > LONG_PAGE_BYTES
        for key, look in seen.containers.items():
            self._seen.add(key.pod)
            first, _ = self._oom_kills.setdefault(key, (look.oom_kills, 0))
            self._oom_kills[key] = first, look.oom_kills
            if (at_s := self._moment(key, look.at_ms, node)) is not None:
                yield _process(at_s, members[key.pod], key, look)
        for pod, network in seen.networks.items():
            if (at_s := self._moment(pod, network.at_ms, node)) is not None:
                yield _network(at_s, members[pod], network)
        if seen.node is not None and (at_s := self._moment(node, seen.node.at_ms, node)) is not None:
            yield _node(at_s, node, members.values(), seen.node, self._cores.get(node))

    def _learn(self, node: str, seen: Seen, answer: Answer) -> None:
        """Take what a page says of its node's clock; of one that never says it, ours stands for it."""
        asked_ns, heard_ns = round(answer.sent_s * _SECOND_NS), round(answer.answered_s * _SECOND_NS)
        shown_ns = None if seen.now_ms is None else seen.now_ms * _MILLISECOND_NS
        if shown_ns is None and node not in self._cores:
            asked_ns = heard_ns = time.monotonic_ns()
            shown_ns = time.time_ns()
        if shown_ns is not None:
            # It is cut off at the millisecond.
            self._clocks.answered(
                node, asked_ns=asked_ns - _MILLISECOND_NS, shown_ns=shown_ns, heard_ns=heard_ns
            )
        if seen.cores is not None:
            self._cores[node] = seen.cores

    def _moment(self, key: object, at_ms: int, node: str) -> float | None:
        """Return when a look was by our clock; None where it is the one before, or one that came before that."""
        last = self._last.get(key)
        at_s = (at_ms * _MILLISECOND_NS - self._clocks.offset(node).offset_ns) / _SECOND_NS
        # A clock that was set back makes an old time of a new look: it is told by its place on ours.
        if last is not None and (last[0] == at_ms or at_s <= last[1]):
            return None
        self._last[key] = at_ms, at_s
        return at_s


def _roles(members: Iterable[Member]) -> tuple[Role, ...]:
    return tuple(sorted({member.role for member in members}))


def _it(pods: set[PodName]) -> str:
    return "it" if len(pods) == 1 else "them"


_Timed = ProcessSample | NetworkSample | NodeSample


def _process(at_s: float, member: Member, key: ContainerKey, look: ContainerLook) -> ProcessSample:
    assert member.pod is not None
    return ProcessSample(
        at_s=at_s,
        role=member.role,
        member=member.name,
        incarnation=f"{member.pod.uid}/{key.id[:_ID_DIGITS]}",
        name=key.container,
        cpu_user_s=look.cpu_s - look.cpu_system_s,
        cpu_system_s=look.cpu_system_s,
        rss_bytes=None,
        pss_bytes=None,
        fds=look.fds,
        threads=look.threads,
        throttled_s=look.throttled_s,
        working_set_bytes=look.working_set_bytes,
    )


def _network(at_s: float, member: Member, look: NetworkLook) -> NetworkSample:
    assert member.pod is not None
    pod = member.pod
    return NetworkSample(
        at_s, pod.uid, (member.role,), {}, look.interfaces, pod=f"{pod.namespace}/{pod.name}"
    )


def _node(at_s: float, node: str, members: Iterable[Member], look: NodeLook, cores: int | None) -> NodeSample:
    return NodeSample(at_s, node, _roles(members), look.cpu_s, look.memory_working_set_bytes, cores)
