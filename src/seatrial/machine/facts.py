"""The facts about this machine that decide how much load it can make and take. Read once, then only data."""

from __future__ import annotations

import os
import resource
import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.machine.cgroup import read_cgroup_limits
from seatrial.machine.cpus.layout import CpuLayout, read_layout

if TYPE_CHECKING:
    from collections.abc import Iterator

# <linux/in.h>; Python's socket module does not have it. Linux 6.3 and later.
IP_LOCAL_PORT_RANGE = 51
_TCP_LISTEN = "0A"


@dataclass(frozen=True, slots=True)
class Machine:
    """What the kernel says. None is "this kernel does not say", or "no limit" where the name is of a limit.

    ``capabilities`` are those of this process, a bit for each (capabilities(7)).
    """

    nofile_soft: int
    nofile_hard: int
    nr_open: int
    file_max: int
    files_open: int
    port_low: int
    port_high: int
    port_window: bool
    somaxconn: int
    syn_backlog: int
    memory_available_bytes: int
    memory_limit_bytes: int | None
    tcp_mem_pages: tuple[int, int, int]
    page_bytes: int
    cpus: int
    cpu_quota_cores: float | None
    conntrack_max: int | None
    conntrack_count: int | None
    listening: frozenset[tuple[str, int]]
    clocksource: str | None
    syncookies: int = 1
    capabilities: int | None = None
    cpu_layout: CpuLayout = field(default_factory=CpuLayout)

    @property
    def cores(self) -> float:
        """Return the CPU cores that this process may use."""
        return min(float(self.cpus), self.cpu_quota_cores or float(self.cpus))

    @property
    def ports(self) -> int:
        """Return how many local ports one source address has for one destination."""
        return self.port_high - self.port_low + 1


def probe_machine(root: Path = Path("/"), *, listeners: bool = True) -> Machine:
    """Read the facts; ``root`` is where ``/proc`` and ``/sys`` are. What cannot be read has the kernel's default.

    Without ``listeners`` nothing is said to listen: for them the kernel walks every connection of the machine.
    """
    net, cgroup = root / "proc/sys/net", read_cgroup_limits(root)
    soft, hard = (_finite(limit) for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
    low, high = _numbers(net / "ipv4/ip_local_port_range", (32_768, 60_999))
    available = _memory_available_bytes(root)
    left = cgroup.memory_left_bytes
    pages = _numbers(net / "ipv4/tcp_mem", (0, 0, 0))
    return Machine(
        nofile_soft=soft,
        nofile_hard=hard,
        nr_open=_number(root / "proc/sys/fs/nr_open") or 1 << 20,
        file_max=_number(root / "proc/sys/fs/file-max") or _finite(resource.RLIM_INFINITY),
        files_open=_numbers(root / "proc/sys/fs/file-nr", (0, 0, 0))[0],
        port_low=low,
        port_high=high,
        port_window=_has_port_window(),
        somaxconn=_number(net / "core/somaxconn") or 4096,
        syn_backlog=_number(net / "ipv4/tcp_max_syn_backlog") or 1024,
        memory_available_bytes=available if left is None else min(available, left),
        memory_limit_bytes=cgroup.memory_limit_bytes,
        tcp_mem_pages=(pages[0], pages[1], pages[2]),
        page_bytes=resource.getpagesize(),
        cpus=len(os.sched_getaffinity(0)),
        cpu_quota_cores=cgroup.cpu_cores,
        conntrack_max=_number(net / "netfilter/nf_conntrack_max"),
        conntrack_count=_number(net / "netfilter/nf_conntrack_count"),
        listening=frozenset(_listening(root)) if listeners else frozenset(),
        clocksource=_text(root / "sys/devices/system/clocksource/clocksource0/current_clocksource") or None,
        syncookies=_syncookies(net / "ipv4/tcp_syncookies"),
        capabilities=_capabilities(root),
        cpu_layout=read_layout(root),
    )


def _syncookies(path: Path) -> int:
    number = _number(path)
    return 1 if number is None else number


def _finite(limit: int) -> int:
    return limit if limit != resource.RLIM_INFINITY else (1 << 63) - 1


def _memory_available_bytes(root: Path) -> int:
    for line in _text(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _has_port_window() -> bool:
    """Try the socket option that keeps a connect from searching the whole port range (see `ports`)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("=I", 40_000 | 40_015 << 16))
        except OSError:
            return False
        return True


def _capabilities(root: Path) -> int | None:
    for line in _text(root / "proc/self/status").splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return None


def _listening(root: Path) -> Iterator[tuple[str, int]]:
    """Yield the listening addresses (the fourth column of /proc/net/tcp is the state)."""
    for name in ("tcp", "tcp6"):
        for line in _text(root / "proc/self/net" / name).splitlines()[1:]:
            fields = line.split()
            if len(fields) > 3 and fields[3] == _TCP_LISTEN:
                host, _, port = fields[1].partition(":")
                yield _host(host), int(port, 16)


def _host(hexadecimal: str) -> str:
    """Return the address that the kernel printed as 32-bit words in the byte order of the machine."""
    words = [int(hexadecimal[at : at + 8], 16) for at in range(0, len(hexadecimal), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdigit() else None


def _numbers(path: Path, default: tuple[int, ...]) -> tuple[int, ...]:
    fields = _text(path).split()
    return tuple(int(field) for field in fields) if len(fields) == len(default) else default


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
