"""Samples of the machine: CPU by kind, memory, and the TCP counters that show a test gone wrong.

Cumulative since boot, but for the gauges: ``memory_available_bytes``, ``sockets_used``, ``tcp_in_use``,
``tcp_time_wait``, ``tcp_orphans``, ``tcp_memory_bytes``, ``tcp_established``. ``cpu_busy_s`` is all but idle,
waiting for disks, and stolen by the hypervisor; over all CPUs, as all ``cpu_`` values.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from seatrial.machine.namespace import Namespace
from seatrial.observe import tcp
from seatrial.observe.samples import HostSample

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_CPU_KINDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_BUSY_KINDS = ("user", "nice", "system", "irq", "softirq")


def sample(at_s: float, networks: Sequence[Namespace | None] = tcp.OWN) -> HostSample:
    """Look once; what is of sockets is of all networks together. What this kernel does not report is absent."""
    counted = {**tcp.counters("snmp", networks), **tcp.counters("netstat", networks)}
    return HostSample(at_s, {**_cpu(), **_memory(), **_sockets(networks), **counted})


def _cpu() -> dict[str, float]:
    first, *lines = _read("/proc/stat").split("\n")
    ticks = [int(word) for word in first.split()[1:]]
    count = sum(line.startswith("cpu") for line in lines)
    by_kind = {kind: count * _TICK_S for kind, count in zip(_CPU_KINDS, ticks, strict=False)}
    values = {f"cpu_{kind}_s": spent_s for kind, spent_s in by_kind.items()}
    return {
        **values,
        "cpu_count": float(count),
        "cpu_busy_s": sum(by_kind.get(kind, 0.0) for kind in _BUSY_KINDS),
    }


def _memory() -> dict[str, float]:
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return {"memory_available_bytes": float(line.split()[1]) * 1024}
    return {}


def _sockets(networks: Sequence[Namespace | None]) -> dict[str, float]:
    values: dict[str, float] = defaultdict(float)
    for line in (line for network in networks for line in tcp.lines_of("sockstat", network)):
        protocol, *words = line.split()
        fields = dict(zip(words[::2], map(float, words[1::2]), strict=False))
        if protocol == "sockets:":
            values["sockets_used"] += fields["used"]
        elif protocol == "TCP:":
            values["tcp_in_use"] += fields["inuse"]
            values["tcp_time_wait"] += fields["tw"]
            # These two the kernel counts of all its networks.
            values["tcp_orphans"] = fields["orphan"]
            values["tcp_memory_bytes"] = fields["mem"] * _PAGE_BYTES
    return dict(values)


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
