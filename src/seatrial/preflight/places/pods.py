"""How many connections one worker pod can hold, and so how many pods a load takes.

A pod has one address, so its connections are bounded by ports and destinations; its memory limit counts the kernel's
part of each socket, too; and its container has a limit of open files. The least of the three holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.preflight.cpu import CPU_US_PER_REQUEST
from seatrial.preflight.descriptors import WORKER_RESERVE
from seatrial.preflight.findings import Finding
from seatrial.preflight.memory import (
    KERNEL_BYTES_PER_PAIR,
    PROCESS_BYTES,
    WORKER_BYTES_PER_CONNECTION,
    WORKER_BYTES_PER_TLS_CONNECTION,
)
from seatrial.preflight.ports import KERNEL_CHOSEN_PORTS, REUSED_AFTER_S
from seatrial.units import format_rate, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.preflight.needs import Needs

# One end of a pair of sockets: the other is the proxy's, and in another pod.
KERNEL_BYTES = KERNEL_BYTES_PER_PAIR // 2
# The share of a memory limit that is planned with: buffers of busy connections, and the page cache of the image.
USED = 0.8
# A worker that is busy for more of its time is late for some of its requests.
BUSY = 0.5


@dataclass(frozen=True, slots=True)
class Pod:
    """What one worker pod may use: ``ports`` of its address, ``port_window`` where the engine narrows their range."""

    memory_bytes: int
    ports: int
    descriptors: int
    port_window: bool = True
    cpus: float = 1.0


@dataclass(frozen=True, slots=True)
class Room:
    """How many connections a pod holds by each of its limits; ``text`` is the arithmetic."""

    by_ports: int
    by_memory: int
    by_descriptors: int
    text: str

    @property
    def connections(self) -> int:
        """How many it holds, by all of them."""
        return max(0, min(self.by_ports, self.by_memory, self.by_descriptors))

    @property
    def bound_by(self) -> str:
        """Which limit that is."""
        limits = {"ports": self.by_ports, "memory": self.by_memory, "open files": self.by_descriptors}
        return min(limits, key=lambda name: limits[name])


def room_of(pod: Pod, needs: Needs) -> Room:
    """Return how many connections of a load one worker pod holds."""
    ports = pod.ports if pod.port_window else min(pod.ports, KERNEL_CHOSEN_PORTS)
    ours = WORKER_BYTES_PER_TLS_CONNECTION if needs.tls else WORKER_BYTES_PER_CONNECTION
    by_ports = ports * needs.destinations
    by_memory = int((pod.memory_bytes * USED - PROCESS_BYTES) / (KERNEL_BYTES + ours))
    by_descriptors = pod.descriptors - WORKER_RESERVE
    text = (
        f"{ports} ports x {needs.destinations} destinations = {by_ports}; "
        f"({USED:.0%} of {format_size(pod.memory_bytes)} - {format_size(PROCESS_BYTES)}) / "
        f"({KERNEL_BYTES} B kernel + {ours} B worker) = {max(0, by_memory)}; "
        f"{pod.descriptors} open files - {WORKER_RESERVE} = {by_descriptors}"
    )
    return Room(by_ports, by_memory, by_descriptors, text)


def pods_needed(pod: Pod, needs: Needs) -> int:
    """Return how many worker pods a load takes for its connections alone; 0 where no number of them is enough."""
    room = room_of(pod, needs).connections
    return max(1, math.ceil(_connections(needs) / room)) if room else 0


def pods_for_rate(pod: Pod, needs: Needs) -> int:
    """Return how many worker pods a load takes for its rate alone, each busy for half of its CPU at most."""
    return max(1, math.ceil(_cores(needs) / (pod.cpus * BUSY)))


def check_rate(needs: Needs, pod: Pod, pods: int) -> Iterator[Finding]:
    """Yield whether so many worker pods send the rate of a load and have time left, with the arithmetic."""
    if needs.rate_per_s is None:
        return
    text = (
        f"{format_rate(needs.rate_per_s)} x about {CPU_US_PER_REQUEST:g} CPU-us = {_cores(needs):.2g} cores; "
        f"{pods} worker {'pod has' if pods == 1 else 'pods have'} {pods * pod.cpus:g}, half of which is planned with"
    )
    needed = pods_for_rate(pod, needs)
    if needed > pods:
        remedy = f"`workers: {needed}` or more, or `kubernetes: {{worker_cpus: ...}}`; else latency includes waiting"
        yield Finding("pods-rate", "warn", text, remedy)
    else:
        yield Finding("pods-rate", "ok", text)


def _cores(needs: Needs) -> float:
    return (needs.rate_per_s or 0.0) * CPU_US_PER_REQUEST / 1e6


def check_pods(needs: Needs, pod: Pod, pods: int) -> Iterator[Finding]:
    """Yield whether so many worker pods hold the connections of a load, with the arithmetic."""
    room, needed = room_of(pod, needs), pods_needed(pod, needs)
    text = f"each worker pod holds {room.connections} connections (bound by {room.bound_by}: {room.text})"
    if needed == 0:
        yield Finding("pods", "refuse", text, "give each pod more memory, or more open files")
        return
    text += f"; {_connections(needs)} connections need {needed} pods, asked for: {pods}"
    if needed > pods:
        remedies = {
            "ports": "more destination addresses",
            "memory": "more memory for each",
            "open files": "a higher limit of open files in the container runtime",
        }
        yield Finding("pods", "refuse", text, f"`workers: {needed}` or more, or {remedies[room.bound_by]}")
    else:
        yield Finding("pods", "ok", text)


def _connections(needs: Needs) -> int:
    """Return the connections that take a port at a time: one that was closed keeps its own for a second."""
    return needs.connections + math.ceil(needs.reopened_per_s * REUSED_AFTER_S)
