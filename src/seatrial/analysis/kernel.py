"""What the kernel counted over the measure window: differences between two looks at the machine and its networks.

The counters are of the whole machine or of a network namespace, and others use both. So only what lies between the
looks that enclose the window is taken, by namespace, and what a counter cannot tell apart is not told apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from seatrial.analysis.load.window import EDGE_S, NANOSECONDS
from seatrial.analysis.looks import Look, looks_in
from seatrial.machine.counters.network import GAUGES
from seatrial.observe.samples import KernelMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from seatrial.analysis.load.window import Window
    from seatrial.observe.samples import (
        HostSample,
        Interface,
        KernelReport,
        ListenQueue,
        NetworkSample,
    )

_COUNTERS = (
    "softnet_processed", "softnet_drops", "softnet_squeezes", "oom_kills", "group_oom_kills", "cpu_pressure_some_s",
    "cpu_pressure_full_s", "memory_pressure_some_s", "memory_pressure_full_s", "io_pressure_some_s",
    "io_pressure_full_s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class InterfaceUse:
    """What went through an interface between two looks; drops and errors of both ways together."""

    received_bytes: int
    sent_bytes: int
    received_packets: int
    sent_packets: int
    drops: int
    errors: int
    speed_bits_per_s: int | None


@dataclass(frozen=True, slots=True)
class QueueUse:
    """The listeners of a role: ``drops`` are of the window, ``limit`` is what the shortest queue takes.

    ``waiting_max`` is the most that waited at a look, ``machine_limit`` how long the machine lets a queue become; None
    where that is not known.
    """

    drops: int
    waiting_max: int
    limit: int
    machine_limit: int | None

    @property
    def is_cut(self) -> bool:
        """Whether it is as long as the machine allows, so that the program may have asked for a longer one."""
        return self.machine_limit is not None and self.limit >= self.machine_limit


@dataclass(frozen=True, slots=True)
class NetworkUse:
    """One network namespace: what was ``counted`` between the looks, the ``highest`` of what goes up and down.

    ``covers_s`` lies between those looks. Of one that is a ``pod``'s, which is then its name, only the interfaces are
    known. Kubelets look at pods up to 20 s apart: so its bytes and packets are those between the first and the last
    look *within* the window, and none of the idle time before; drops and errors are of the looks around it. Where no
    two are within it, ``covers_s`` is 0, and what the pod carried is not known. Of one that is a ``node``'s own it is
    what only its kernel counts.
    """

    roles: tuple[str, ...]
    counted: Mapping[str, int | float]
    highest: Mapping[str, int | float]
    interfaces: Mapping[str, InterfaceUse] = field(default_factory=dict)
    listeners: Mapping[str, QueueUse] = field(default_factory=dict)
    pod: str = ""
    covers_s: float = 0.0
    node: str = ""


@dataclass(frozen=True, slots=True)
class KernelUse:
    """What the kernel counted over ``covers_s``, the time between the looks that enclose the measure window.

    Of a cluster it is the networks alone, and the longest such time of them.

    ``softirq_busiest`` is the part of its time that the busiest CPU of each look spent in softirqs, the mean over the
    looks. None, or a name that is absent, is "this kernel does not say".
    """

    covers_s: float
    counted: Mapping[str, int | float] = field(default_factory=dict)
    softirq_busiest: float | None = None
    networks: tuple[NetworkUse, ...] = ()
    messages: tuple[KernelMessage, ...] = ()

    def pods_received_bytes_per_s(self, role: str) -> float | None:
        """Return what came to the pods of a role, by all of their interfaces; None where one's is not known."""
        return self._pods(role, lambda interface: interface.received_bytes)

    def pods_sent_bytes_per_s(self, role: str) -> float | None:
        """Return what left the pods of a role, by all of their interfaces; None where one's is not known."""
        return self._pods(role, lambda interface: interface.sent_bytes)

    def _pods(self, role: str, carried: Callable[[InterfaceUse], int]) -> float | None:
        uses = [use for use in self.networks if use.pod and role in use.roles]
        # The sum of some would pass for that of all.
        if not uses or not all(use.covers_s for use in uses):
            return None
        return sum(sum(map(carried, use.interfaces.values())) / use.covers_s for use in uses)


def kernel_use(
    hosts: Sequence[HostSample],
    networks: Iterable[NetworkSample],
    report: KernelReport | None,
    window: Window | None,
) -> KernelUse | None:
    """Return what was counted over the window; None where neither machine nor networks were looked at around it."""
    looks = enclosing(hosts, window)
    # Not every look counts them.
    counting = enclosing([host for host in hosts if not host.values.keys().isdisjoint(_COUNTERS)], window)
    if window is None:
        return None
    of_networks = tuple(_networks(networks, window))
    if len(looks) < 2:
        # The machine that conducts a run on a cluster is none of the roles'.
        covers_s = max((one.covers_s for one in of_networks), default=0.0)
        return KernelUse(covers_s, networks=of_networks) if of_networks else None
    first, last = (counting[0], counting[-1]) if counting else (looks[0], looks[-1])
    busiest = [look.values["softirq_busiest"] for look in looks[1:] if "softirq_busiest" in look.values]
    messages = () if report is None else report.messages
    return KernelUse(
        covers_s=round(last.at_s - first.at_s, 3),
        counted=_differences(first.values, last.values, _COUNTERS),
        softirq_busiest=round(sum(busiest) / len(busiest), 3) if busiest else None,
        networks=of_networks,
        messages=tuple(message for message in messages if window.holds(message.at_s)),
    )


def enclosing(looks: Sequence[Look], window: Window | None) -> Sequence[Look]:
    """Return the looks from the last before the window, or at its beginning, to the first after it, or at its end."""
    if window is None:
        return ()
    start_s, end_s = window.start_ns / NANOSECONDS, window.end_ns / NANOSECONDS
    before = [index for index, look in enumerate(looks) if look.at_s <= start_s + EDGE_S]
    after = [index for index, look in enumerate(looks) if look.at_s >= end_s - EDGE_S]
    return looks[before[-1] if before else 0 : after[0] + 1 if after else len(looks)]


def _differences(
    first: Mapping[str, float], last: Mapping[str, float], names: Iterable[str]
) -> dict[str, float]:
    # A counter that is set back was not counted on: nothing is known of it.
    return {
        name: round(last[name] - first[name], 6)
        for name in names
        if name in first and name in last and last[name] >= first[name]
    }


def _networks(samples: Iterable[NetworkSample], window: Window) -> Iterable[NetworkUse]:
    found: dict[str, list[NetworkSample]] = {}
    for sample in samples:
        found.setdefault(sample.network, []).append(sample)
    for own in found.values():
        looks = enclosing(own, window)
        if own[-1].pod:
            inside = looks_in(own, window)
            if inside or len(looks) > 1:
                yield _of_pod(inside or looks[:1], looks)
        elif len(looks) > 1:
            yield _network(looks)


def _network(looks: Sequence[NetworkSample]) -> NetworkUse:
    first, last = looks[0], looks[-1]
    highest = {
        name: max(look.values.get(name, 0.0) for look in looks) for name in GAUGES & last.values.keys()
    }
    return NetworkUse(
        roles=tuple(sorted({role for look in looks for role in look.roles})),
        counted=_differences(first.values, last.values, sorted(last.values.keys() - GAUGES)),
        highest=dict(sorted(highest.items())),
        interfaces={
            name: _interface(first.interfaces[name], interface)
            for name, interface in last.interfaces.items()
            if name in first.interfaces
        },
        listeners={
            role: _queue([look.listeners[role] for look in looks if role in look.listeners], highest)
            for role in last.listeners
        },
        covers_s=round(last.at_s - first.at_s, 3),
        node=last.node,
    )


def _of_pod(inside: Sequence[NetworkSample], around: Sequence[NetworkSample]) -> NetworkUse:
    first, last = inside[0], inside[-1]
    return NetworkUse(
        roles=last.roles,
        counted={},
        highest={},
        interfaces={
            name: _with_losses_of(
                _interface(first.interfaces[name], interface),
                _interface(
                    around[0].interfaces.get(name, first.interfaces[name]), around[-1].interfaces[name]
                ),
            )
            for name, interface in last.interfaces.items()
            if name in first.interfaces and name in around[-1].interfaces
        },
        pod=last.pod,
        covers_s=round(last.at_s - first.at_s, 3),
    )


def _with_losses_of(carried: InterfaceUse, around: InterfaceUse) -> InterfaceUse:
    return replace(carried, drops=around.drops, errors=around.errors)


def _interface(first: Interface, last: Interface) -> InterfaceUse:
    def since(*names: str) -> int:
        return max(0, sum(int(getattr(last, name)) - int(getattr(first, name)) for name in names))

    return InterfaceUse(
        received_bytes=since("received_bytes"),
        sent_bytes=since("sent_bytes"),
        received_packets=since("received_packets"),
        sent_packets=since("sent_packets"),
        drops=since("received_drops", "sent_drops"),
        errors=since("received_errors", "sent_errors"),
        speed_bits_per_s=last.speed_bits_per_s or None,
    )


def _queue(looks: Sequence[ListenQueue], highest: Mapping[str, float]) -> QueueUse:
    machine_limit = highest.get("listen_queue_max")
    return QueueUse(
        # A listener that was opened anew counts from 0.
        drops=max(0, looks[-1].drops - looks[0].drops),
        waiting_max=max(look.waiting for look in looks),
        limit=min(look.limit for look in looks),
        machine_limit=None if machine_limit is None else int(machine_limit),
    )
