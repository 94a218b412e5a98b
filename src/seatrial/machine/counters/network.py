"""What a network namespace counts, as its folder of /proc has it: TCP, sockets, connection tracking, interfaces.

Cumulative, but for the gauges in :data:`GAUGES`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from seatrial.machine.counters import tcp

GAUGES = frozenset((
    "sockets_used", "tcp_in_use", "tcp_orphans", "tcp_time_wait", "tcp_memory_bytes", "tcp_established",
    "conntrack_entries", "conntrack_max", "listen_queue_max",
))  # fmt: skip
"""What is not cumulative."""
InterfaceCounts = tuple[int, ...]
"""Received bytes, packets, errors, drops; the same of what was sent; the speed in bits/s, 0 where it has none."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MEGABIT = 1_000_000


def tcp_values(net: Path) -> dict[str, float]:
    """Read what a namespace's TCP and IP count, by name; absent is what this kernel does not count."""
    values: dict[str, float] = {}
    for file in ("snmp", "netstat"):
        values |= tcp.values_in(_read(net / file).splitlines())
    return values


def sockets(net: Path) -> dict[str, float]:
    """Read how many sockets of which state there are."""
    values: dict[str, float] = {}
    for line in _read(net / "sockstat").splitlines():
        protocol, *words = line.split()
        fields = dict(zip(words[::2], map(float, words[1::2]), strict=False))
        if protocol == "sockets:":
            values["sockets_used"] = fields["used"]
        elif protocol == "TCP:":
            values["tcp_in_use"] = fields["inuse"]
            values["tcp_orphans"] = fields["orphan"]
            values["tcp_time_wait"] = fields["tw"]
            values["tcp_memory_bytes"] = fields["mem"] * _PAGE_BYTES
    return values


def conntrack(net: Path) -> dict[str, float]:
    """Read what connection tracking counts, a line for each CPU; empty where it is not loaded."""
    titles, *lines = _read(net / "stat/nf_conntrack").splitlines() or [""]
    names = titles.split()
    rows = [dict(zip(names, (int(word, 16) for word in line.split()), strict=False)) for line in lines]
    if not rows:
        return {}
    # Every CPU's line has all entries, which are not counted for each.
    values = {"conntrack_entries": float(rows[0]["entries"])}
    for name, known in (
        ("drop", "drops"),
        ("early_drop", "early_drops"),
        ("insert_failed", "insert_failures"),
    ):
        if name in names:
            values[f"conntrack_{known}"] = float(sum(row[name] for row in rows))
    return values


def own_limits(sys_net: Path) -> dict[str, float]:
    """Read the limits of the namespace that one is in oneself, below ``/proc/sys/net``."""
    files = (("conntrack_max", "netfilter/nf_conntrack_max"), ("listen_queue_max", "core/somaxconn"))
    return {name: float(text) for name, file in files if (text := _read(sys_net / file).strip())}


def interfaces(net: Path, sys_class: Path | None) -> dict[str, InterfaceCounts]:
    """Read the interfaces that have ever carried anything."""
    found = {}
    for line in _read(net / "dev").splitlines()[2:]:
        name, _, text = line.partition(":")
        numbers = [int(word) for word in text.split()]
        # Received: bytes packets errs drop fifo frame compressed multicast, and then what was sent, alike.
        if numbers[1] or numbers[9]:
            speed = _speed_bits_per_s(sys_class, name.strip())
            found[name.strip()] = (*numbers[:4], *numbers[8:12], speed)
    return found


def _speed_bits_per_s(sys_class: Path | None, name: str) -> int:
    # Those that have no speed refuse to read it, or say -1.
    with suppress(OSError, ValueError):
        if sys_class is not None:
            return max(0, int((sys_class / name / "speed").read_text())) * _MEGABIT
    return 0


def softnet(net: Path) -> dict[str, float]:
    """Sum up, over CPUs, the packets taken from interfaces, those dropped before, and how often there was no time left.

    The CPUs of the whole machine, whichever namespace one is in. Source: softnet_seq_show in net/core/net-procfs.c.
    """
    lines = [line.split() for line in _read(net / "softnet_stat").splitlines()]
    names = ("softnet_processed", "softnet_drops", "softnet_squeezes")
    sums = (sum(int(line[column], 16) for line in lines) for column in range(len(names)))
    return dict(zip(names, map(float, sums), strict=True)) if lines else {}


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
