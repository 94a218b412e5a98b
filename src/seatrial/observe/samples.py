"""What the samplers see beside the load. Times are CLOCK_MONOTONIC seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Role = Literal["generator", "system", "origin", "seatrial"]


@dataclass(frozen=True, slots=True)
class ProcessRef:
    """A process to watch. ``started_ticks`` (field 22 of /proc/PID/stat) tells it from a later one with the same id."""

    role: Role
    name: str
    pid: int
    started_ticks: int


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """One look at one process. CPU and throttling are cumulative; None is "this kernel does not say"."""

    at_s: float
    role: Role
    name: str
    pid: int
    cpu_user_s: float
    cpu_system_s: float
    rss_bytes: int
    pss_bytes: int | None
    fds: int | None
    threads: int
    throttled_s: float | None


@dataclass(frozen=True, slots=True)
class HostSample:
    """One look at the machine: counters by name (``cpu_busy_s``, ``cpu_steal_s``, ``memory_available_bytes``, ...)."""

    at_s: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SystemSample:
    """One look at the proxy's own counters, by its own names."""

    at_s: float
    system: str
    values: Mapping[str, float]
