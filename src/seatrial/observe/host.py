"""Samples of the machine: CPU by kind, memory, pressure, received packets, and processes killed for memory.

Cumulative since boot, but for the gauges ``memory_available_bytes`` and ``softirq_busiest``. ``cpu_busy_s`` is all but
idle, waiting for disks, and stolen by the hypervisor; over all CPUs, as all ``cpu_`` values.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.machine.cgroup import groups
from seatrial.machine.counters.network import softnet
from seatrial.observe.pressure import pressure
from seatrial.observe.samples import HostSample

if TYPE_CHECKING:
    from collections.abc import Iterable

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_CPU_KINDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_BUSY_KINDS = ("user", "nice", "system", "irq", "softirq")
_SOFTIRQ = _CPU_KINDS.index("softirq")
SOFTIRQ_SPAN_MIN_S = 0.5
"""The kernel counts in ticks of 10 ms: over a shorter time than this one of them is more than 2 % of a CPU."""


class HostSampler:
    """Looks at the machine, and remembers what each CPU had done in interrupts at an earlier look."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._proc = root / "proc"
        self._softirqs: tuple[float, tuple[int, ...]] | None = None
        self._busiest: float | None = None
        self._oom_files = tuple(_oom_files(root))

    def sample(self, at_s: float, *, whole: bool = True) -> HostSample:
        """Look once; not ``whole``, at CPU and memory only. What this kernel does not report is absent."""
        every, *each = _cpu_lines(self._proc)
        values = {**_cpu(every, len(each)), **_memory(self._proc)}
        if whole:
            values |= {
                **softnet(self._proc / "net"),
                **_oom_kills(self._proc, self._oom_files),
                **pressure(self._proc),
            }
        busiest = self._softirq_busiest(at_s, tuple(ticks[_SOFTIRQ] for ticks in each))
        return HostSample(at_s, values if busiest is None else {**values, "softirq_busiest": busiest})

    def _softirq_busiest(self, at_s: float, ticks: tuple[int, ...]) -> float | None:
        """Return the part of its time that the busiest CPU spent in softirqs, since an earlier look."""
        if self._softirqs is None or len(self._softirqs[1]) != len(ticks):
            self._softirqs = at_s, ticks
            return self._busiest
        before_s, before = self._softirqs
        if at_s - before_s >= SOFTIRQ_SPAN_MIN_S:
            most = max((now - then for now, then in zip(ticks, before, strict=True)), default=0)
            self._busiest = min(1.0, round(most * _TICK_S / (at_s - before_s), 3))
            self._softirqs = at_s, ticks
        return self._busiest


def _cpu_lines(proc: Path) -> list[list[int]]:
    """Return the ticks of all CPUs together, and of each."""
    lines = (line.split() for line in _read(proc / "stat").splitlines() if line.startswith("cpu"))
    # Linux before 2.6.33 has fewer kinds; what is missing was not counted.
    return [[int(word) for word in words] + [0] * (8 - len(words)) for _, *words in lines] or [[0] * 8]


def _cpu(ticks: list[int], count: int) -> dict[str, float]:
    by_kind = {kind: spent * _TICK_S for kind, spent in zip(_CPU_KINDS, ticks, strict=False)}
    return {
        **{f"cpu_{kind}_s": spent_s for kind, spent_s in by_kind.items()},
        "cpu_count": float(count),
        "cpu_busy_s": sum(by_kind.get(kind, 0.0) for kind in _BUSY_KINDS),
    }


def _memory(proc: Path) -> dict[str, float]:
    for line in _read(proc / "meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return {"memory_available_bytes": float(line.split()[1]) * 1024}
    return {}


def _oom_kills(proc: Path, cgroup_files: Iterable[Path]) -> dict[str, float]:
    """Return how many processes were killed for want of memory: on the machine, and in the groups of this process."""
    values = {}
    for line in _read(proc / "vmstat").splitlines():
        # Linux 4.13 and later. Those of control groups are among them.
        if line.startswith("oom_kill "):
            values["oom_kills"] = float(line.split()[1])
    in_groups = [
        float(line.split()[1])
        for file in cgroup_files
        for line in _read(file).splitlines()
        if line.startswith("oom_kill ")
    ]
    # Version 2 counts those of the groups below, too.
    return {**values, "group_oom_kills": max(in_groups)} if in_groups else values


def _oom_files(root: Path) -> Iterable[Path]:
    for group in groups(root, "memory"):
        yield from (
            file for name in ("memory.events", "memory.oom_control") if (file := group / name).is_file()
        )


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
