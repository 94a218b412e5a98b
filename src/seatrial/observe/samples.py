"""What the samplers see beside the load. Times are CLOCK_MONOTONIC seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.machine.members import Role
    from seatrial.machine.proc import ProcessRef


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """One look at one process. CPU and throttling are cumulative; None is "this kernel does not say".

    ``name`` is of the process, which its ``member`` may have several of; ``incarnation`` tells them apart.
    """

    at_s: float
    role: Role
    member: str
    incarnation: str
    name: str
    cpu_user_s: float
    cpu_system_s: float
    rss_bytes: int
    pss_bytes: int | None
    fds: int | None
    threads: int
    throttled_s: float | None

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


@dataclass(frozen=True, slots=True)
class SystemSample:
    """One look at the own counters of one member of a system, by its own names."""

    at_s: float
    system: str
    member: str
    incarnation: str
    values: Mapping[str, float]


Sample = ProcessSample | ProcessGone | HostSample | SystemSample
