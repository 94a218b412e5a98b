"""Whose this machine's CPU time was, between the first and the last look at it in the measure phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.resources import CPU_SPAN_MIN_S
from seatrial.machine.cpus.shares import CpuShares, CpuTimes, shares_between

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seatrial.analysis.load.window import Window
    from seatrial.observe.samples import HostSample, ProcessSample


def looks_at_machine(hosts: Sequence[HostSample], window: Window | None) -> list[HostSample]:
    """Return the looks at the machine within the window."""
    return [] if window is None else [sample for sample in hosts if window.holds(sample.at_s)]


def _are_apart(seen: Sequence[HostSample]) -> bool:
    # A look at an end of the window may stand beside a regular one: one tick is a large part of that time.
    return len(seen) > 1 and seen[-1].at_s - seen[0].at_s >= CPU_SPAN_MIN_S


def steal_fraction(seen: Sequence[HostSample]) -> float | None:
    """Return the part of this machine's CPU time that the hypervisor gave to others; None where that is not known."""
    if not _are_apart(seen) or "cpu_steal_s" not in seen[0].values:
        return None
    stolen_s = seen[-1].values["cpu_steal_s"] - seen[0].values["cpu_steal_s"]
    cores = seen[-1].values.get("cpu_count", 1) or 1
    return stolen_s / (seen[-1].at_s - seen[0].at_s) / cores


def cpu_shares(processes: Sequence[ProcessSample], seen: Sequence[HostSample]) -> CpuShares | None:
    """Return whose the CPU time was, between the first and the last look at the machine in the window."""
    if not _are_apart(seen) or "cpu_user_s" not in seen[0].values:
        return None
    ours: dict[object, list[float]] = {}
    for sample in processes:
        # What a pod used, it used on a machine of its own.
        if sample.working_set_bytes is None and seen[0].at_s <= sample.at_s <= seen[-1].at_s:
            ours.setdefault(sample.key, []).append(sample.cpu_user_s + sample.cpu_system_s)
    used_s = sum(looks[-1] - looks[0] for looks in ours.values())
    return shares_between(times_of(seen[0].values, 0.0), times_of(seen[-1].values, used_s))


def times_of(values: Mapping[str, float], ours_s: float) -> CpuTimes:
    """Return what a look at the machine says, of which processes of ours had used ``ours_s``."""
    processes_s = sum(values[f"cpu_{kind}_s"] for kind in ("user", "nice", "system"))
    idle_s = values["cpu_idle_s"] + values.get("cpu_iowait_s", 0.0)
    interrupts_s = sum(values.get(f"cpu_{kind}_s", 0.0) for kind in ("irq", "softirq"))
    stolen_s = values.get("cpu_steal_s", 0.0)
    return CpuTimes(processes_s, idle_s, ours_s, processes_s + idle_s + interrupts_s + stolen_s, stolen_s)
