"""What the samplers see beside the load. Times are CLOCK_MONOTONIC seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self

# Some of these are read back by their types.
from seatrial.machine.members import Role

if TYPE_CHECKING:
    from seatrial.machine.proc import ProcessRef


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """One look at one process. All but the sizes are cumulative; None is "this kernel does not say", or not asked.

    ``name`` is of the process, which its ``member`` may have several of; ``incarnation`` tells them apart. Switches and
    ``cpu_wait_s``, how long its threads were ready and had no CPU, are sums over the threads that live.
    ``cpus_allowed`` are the CPUs that any of them may use, in the kernel's notation.

    Of a pod it is one look of its node's kubelet at one container, whose processes are counted together; its size is
    ``working_set_bytes``: what its control group uses, the kernel's part in it, without what could be dropped at once.
    """

    at_s: float
    role: Role
    member: str
    incarnation: str
    name: str
    cpu_user_s: float
    cpu_system_s: float
    rss_bytes: int | None
    pss_bytes: int | None
    fds: int | None
    threads: int | None
    throttled_s: float | None
    voluntary_switches: int | None = None
    involuntary_switches: int | None = None
    cpu_wait_s: float | None = None
    cpus_allowed: str | None = None
    working_set_bytes: int | None = None

    @property
    def key(self) -> tuple[Role, str, str]:
        """What all looks at one process share, and those at no other: ids of processes are of their machine only."""
        return self.role, self.member, self.incarnation


@dataclass(frozen=True, slots=True)
class ProcessGone:
    """A process that was there at the last look and is not at this one: asked to end, or not."""

    at_s: float
    role: Role
    member: str
    process: ProcessRef


@dataclass(frozen=True, slots=True)
class HostSample:
    """One look at the machine: counters by name (``cpu_busy_s``, ``memory_available_bytes``, ...)."""

    at_s: float
    values: Mapping[str, float]


class Interface(NamedTuple):
    """What an interface has counted since it is there; ``speed_bits_per_s`` is 0 where it has none."""

    received_bytes: int
    received_packets: int
    received_errors: int
    received_drops: int
    sent_bytes: int
    sent_packets: int
    sent_errors: int
    sent_drops: int
    speed_bits_per_s: int = 0


class ListenQueue(NamedTuple):
    """The listeners of a role together: ``drops`` are connections that found the queue full, or could not be kept.

    ``waiting`` is how many wait to be accepted, ``limit`` the shortest queue of any of them.
    """

    drops: int
    waiting: int
    limit: int


@dataclass(frozen=True, slots=True)
class NetworkSample:
    """One look at a network namespace: counters by name, and its interfaces.

    ``network`` is the kernel's number of the namespace, ``roles`` are those whose processes are in it. ``listeners``
    are known of the namespace that Seatrial itself is in. Of a ``pod``, which is then its name, the interfaces alone
    are known, and ``network`` is its uid. Of a ``node``'s own it is what only the node's kernel counts: connection
    tracking, softnet and the busiest interfaces.
    """

    at_s: float
    network: str
    roles: tuple[Role, ...]
    values: Mapping[str, float]
    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    listeners: Mapping[Role, ListenQueue] = field(default_factory=dict)
    pod: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True)
class NodeAway:
    """A node with pods of these ``roles`` that could not be reached, for as long as that at most."""

    node: str
    roles: tuple[Role, ...]
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class NodeSample:
    """One look of a kubelet at its node, which has pods of these ``roles``; None is "it does not say".

    ``cpu_s`` is what all that runs there has used so far, ``cores`` how many CPUs there are.
    """

    at_s: float
    node: str
    roles: tuple[Role, ...]
    cpu_s: float
    memory_working_set_bytes: int | None = None
    cores: int | None = None


@dataclass(frozen=True, slots=True)
class ClusterEvent:
    """What a cluster reported of pods or nodes that matters to a measurement, in words with its time."""

    text: str


@dataclass(frozen=True, slots=True)
class KernelMessage:
    """A message of the kernel that matters to a measurement; ``kind`` is one of ``kernel_log.KINDS``."""

    at_s: float
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class KernelReport:
    """The messages of the kernel during a trial that matter; ``more`` is how many are not among them.

    ``unreadable`` is why they could not be read, ``lost`` how often some were overwritten before they were.
    """

    messages: tuple[KernelMessage, ...] = ()
    more: int = 0
    unreadable: str | None = None
    lost: int = 0

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Undo what became of it in the record."""
        return cls(
            **{**document, "messages": tuple(KernelMessage(**message) for message in document["messages"])}
        )


@dataclass(frozen=True, slots=True)
class LookingCost:
    """What looking has cost: CPU of the samplers over the trial, and how far a look came after its time at worst."""

    looks: int
    cpu_s: float
    elapsed_s: float
    late_s_max: float

    @property
    def cores(self) -> float:
        """Return the mean use of a CPU, 1.0 for a whole one."""
        return self.cpu_s / self.elapsed_s if self.elapsed_s > 0 else 0.0


@dataclass(frozen=True, slots=True)
class ScrapedPage:
    """How the metrics page of one member was scraped over a trial, every ``every_s`` seconds.

    ``done`` were answered whole; ``failed`` were not, the last for ``problem``; ``skipped`` were due while the one
    before went on. ``bytes_max`` is the largest body as it was sent, ``took_s_max`` the longest scrape that was done,
    ``cpu_s`` what scraping took of Seatrial's own CPU.
    """

    member: str
    every_s: float
    done: int
    failed: int
    skipped: int
    bytes_max: int
    took_s_max: float
    cpu_s: float
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class SystemSample:
    """One look at the own counters of one member of a system, by its own names.

    Of a member of its ``controller`` it is what that says of itself; see ``ControllerLook``.
    """

    at_s: float
    system: str
    member: str
    incarnation: str
    values: Mapping[str, float]
    role: Role = "system"


Sample = (
    ProcessSample
    | ProcessGone
    | HostSample
    | NetworkSample
    | NodeSample
    | KernelMessage
    | ClusterEvent
    | SystemSample
)
