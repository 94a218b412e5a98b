"""Whose the CPU time of this machine was over a stretch: ours, others', nobody's."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from seatrial.machine import proc

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
# Shorter than this, ticks of 10 ms say nothing.
SHORTEST_S = 0.5


@dataclass(frozen=True, slots=True)
class CpuShares:
    """Fractions of the machine's CPU time. ``others`` is of processes that are not ours, interrupts apart.

    ``steal`` is what the hypervisor gave to other machines.
    """

    others: float
    idle: float
    steal: float = 0.0


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """CPU seconds since boot: of all processes, of nobody, and of some processes; ``total_s`` is of all CPUs.

    ``stolen_s`` is the part of it that the hypervisor gave to other machines.
    """

    processes_s: float
    idle_s: float
    ours_s: float
    total_s: float
    stolen_s: float = 0.0


def read_times(pids: Iterable[int]) -> CpuTimes | None:
    """Look once at the machine and at these processes; None where the kernel does not say."""
    try:
        first = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    user, nice, system, idle, iowait, *rest = (int(word) * _TICK_S for word in first)
    # Interrupts, soft ones, steal; what guests use is in user and nice already.
    rest_s = [*rest, 0.0, 0.0, 0.0][:3]
    total_s = user + nice + system + idle + iowait + sum(rest_s)
    stats = [found for pid in pids if (found := proc.stat(pid)) is not None]
    ours_s = sum(found.user_ticks + found.system_ticks for found in stats) * _TICK_S
    return CpuTimes(user + nice + system, idle + iowait, ours_s, total_s, stolen_s=rest_s[2])


def shares_between(before: CpuTimes | None, after: CpuTimes | None) -> CpuShares | None:
    """Return the shares of the time between two looks; None where they are too near to each other."""
    if before is None or after is None or after.total_s - before.total_s < SHORTEST_S:
        return None
    total_s = after.total_s - before.total_s
    others_s = (after.processes_s - before.processes_s) - (after.ours_s - before.ours_s)
    return CpuShares(
        others=min(1.0, max(0.0, others_s / total_s)),
        idle=min(1.0, max(0.0, (after.idle_s - before.idle_s) / total_s)),
        steal=min(1.0, max(0.0, (after.stolen_s - before.stolen_s) / total_s)),
    )
