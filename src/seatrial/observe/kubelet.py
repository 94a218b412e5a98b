"""What the pages of a kubelet say of containers, pods and the node, each with the moment that it is of.

The numbers of a container or pod are cAdvisor's, who looks at each at moments of its own, 10 to 20 s apart: the kubelet
asks for 10 s, or 15 s where nothing changes, and up to as much again is drawn. A page repeats the last look until there
is another, with the time of that look in Unix milliseconds of the node's clock.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from seatrial.observe.samples import Interface

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

PodName = tuple[str, str]
"""Its namespace and its name."""

_CONTAINER = {
    "container_cpu_usage_seconds_total": "cpu_s",
    "container_cpu_system_seconds_total": "cpu_system_s",
    "container_cpu_cfs_throttled_seconds_total": "throttled_s",
    "container_memory_working_set_bytes": "working_set_bytes",
    "container_threads": "threads",
    "container_file_descriptors": "fds",
    "container_oom_events_total": "oom_kills",
}
_NETWORK = {
    "container_network_receive_bytes_total": "received_bytes",
    "container_network_receive_packets_total": "received_packets",
    "container_network_receive_errors_total": "received_errors",
    "container_network_receive_packets_dropped_total": "received_drops",
    "container_network_transmit_bytes_total": "sent_bytes",
    "container_network_transmit_packets_total": "sent_packets",
    "container_network_transmit_errors_total": "sent_errors",
    "container_network_transmit_packets_dropped_total": "sent_drops",
}
_NOW = "container_last_seen"
"""Its time is that of the reading, where the others have that of the look."""
_CORES = "machine_cpu_cores"
_NODE_CPU, _NODE_MEMORY = "node_cpu_usage_seconds_total", "node_memory_working_set_bytes"
_BEGINNINGS = tuple(
    f"{name}{mark}"
    for name in (*_CONTAINER, *_NETWORK, _NOW, _CORES, _NODE_CPU, _NODE_MEMORY)
    for mark in ("{", " ")
)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_UID = re.compile(r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})")


class ContainerKey(NamedTuple):
    """A container: its name in its pod, and its own id, which is another one's once it was started anew."""

    pod: PodName
    container: str
    id: str


@dataclass(frozen=True, slots=True)
class ContainerLook:
    """One look at a container; sizes, threads and descriptors apart cumulative; None is "the kubelet does not say".

    ``oom_kills`` counts processes: a container goes on where it was not its first one.
    """

    at_ms: int
    cpu_s: float
    cpu_system_s: float
    working_set_bytes: int
    throttled_s: float | None
    threads: int | None
    fds: int | None
    oom_kills: int = 0


@dataclass(frozen=True, slots=True)
class NetworkLook:
    """One look at the interfaces of a pod."""

    at_ms: int
    interfaces: Mapping[str, Interface]


@dataclass(frozen=True, slots=True)
class NodeLook:
    """One look at the node."""

    at_ms: int
    cpu_s: float
    memory_working_set_bytes: int | None


@dataclass(frozen=True, slots=True)
class Seen:
    """All that a page says of the pods that were asked for; ``now_ms`` is what the node's clock showed meanwhile."""

    now_ms: int | None = None
    cores: int | None = None
    containers: Mapping[ContainerKey, ContainerLook] = field(default_factory=dict)
    networks: Mapping[PodName, NetworkLook] = field(default_factory=dict)
    node: NodeLook | None = None


class _Series(NamedTuple):
    name: str
    labels: Mapping[str, str]
    value: float
    at_ms: int | None


def read_page(page: str, pods: Mapping[PodName, str]) -> Seen:
    """Return what a page of either kind says of these pods, by their names with their uids, and of the node.

    A pod of the same name with another uid is another pod.
    """
    now_ms, cores, node = None, None, dict[str, _Series]()
    containers: defaultdict[ContainerKey, dict[str, _Series]] = defaultdict(dict)
    networks: defaultdict[PodName, dict[str, dict[str, _Series]]] = defaultdict(lambda: defaultdict(dict))
    for series in _series(page):
        if series.name == _NOW:
            now_ms = max(now_ms or 0, series.at_ms or 0) or None
        elif series.name == _CORES:
            cores = int(series.value)
        elif series.name in (_NODE_CPU, _NODE_MEMORY):
            node[series.name] = series
        elif (pod := _pod_of(series.labels, pods)) is None:
            continue
        elif series.name in _NETWORK:
            networks[pod][series.labels.get("interface", "")][_NETWORK[series.name]] = series
        elif _is_container(series.labels):
            key = ContainerKey(pod, series.labels["container"], series.labels.get("name", ""))
            containers[key][_CONTAINER[series.name]] = series
    return Seen(
        now_ms,
        cores,
        {key: look for key, own in containers.items() if (look := _container(own)) is not None},
        {pod: seen for pod, own in networks.items() if (seen := _network(own)) is not None},
        _node(node),
    )


def _series(page: str) -> Iterator[_Series]:
    # Nine lines of ten are of no use here, and each is looked at this often: the beginning tells.
    for line in page.splitlines():
        if not line.startswith(_BEGINNINGS):
            continue
        head, brace, rest = line.rpartition("}")
        if not brace:
            head, _, rest = line.partition(" ")
        name, _, labels = head.partition("{")
        numbers = rest.split()
        if numbers:
            at_ms = int(numbers[1]) if len(numbers) > 1 else None
            yield _Series(name, dict(_LABEL.findall(labels)), float(numbers[0]), at_ms)


def _pod_of(labels: Mapping[str, str], pods: Mapping[PodName, str]) -> PodName | None:
    pod = labels.get("namespace", ""), labels.get("pod", "")
    if pod not in pods:
        return None
    # Drivers of control groups write the uid with either sign.
    found = _UID.search(labels.get("id", ""))
    return pod if found is None or found[1].replace("_", "-") == pods[pod] else None


def _is_container(labels: Mapping[str, str]) -> bool:
    # The group of the whole pod and that of its pause container have no name; some runtimes call the latter so. The
    # other page has no more than the same CPU and memory again, and no group.
    is_named = labels.get("container", "") not in {"", "POD"} and bool(labels.get("id"))
    return is_named and labels.get("cpu", "total") == "total"


def _container(own: Mapping[str, _Series]) -> ContainerLook | None:
    cpu, memory = own.get("cpu_s"), own.get("working_set_bytes")
    if cpu is None or memory is None or cpu.at_ms is None:
        return None

    def value(name: str) -> float | None:
        return own[name].value if name in own else None

    threads, fds = value("threads"), value("fds")
    # User and system time are counted by ticks where the sum of both is exact, so one of them is what is left.
    system_s = min(value("cpu_system_s") or 0.0, cpu.value)
    return ContainerLook(
        cpu.at_ms,
        cpu.value,
        system_s,
        int(memory.value),
        value("throttled_s"),
        None if threads is None else int(threads),
        None if fds is None else int(fds),
        int(value("oom_kills") or 0),
    )


def _network(own: Mapping[str, Mapping[str, _Series]]) -> NetworkLook | None:
    interfaces = {
        name: Interface(**{field: int(counts[field].value) for field in _NETWORK.values()})
        for name, counts in own.items()
        if counts.keys() >= set(_NETWORK.values())
    }
    times = [series.at_ms for counts in own.values() for series in counts.values()]
    at_ms = max((time for time in times if time is not None), default=None)
    return None if at_ms is None or not interfaces else NetworkLook(at_ms, interfaces)


def _node(own: Mapping[str, _Series]) -> NodeLook | None:
    cpu, memory = own.get(_NODE_CPU), own.get(_NODE_MEMORY)
    if cpu is None or cpu.at_ms is None:
        return None
    return NodeLook(cpu.at_ms, cpu.value, None if memory is None else int(memory.value))


def names_of(pods: Collection[PodName]) -> str:
    """Return pods as a person reads them, at most three."""
    names = sorted("/".join(pod) for pod in pods)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"
