"""Samples of network namespaces: sockets, what TCP counts, connection tracking, interfaces.

Cumulative, but for the gauges in :data:`GAUGES`. Every namespace that a process of the trial is in is looked at through
that process's folder of /proc; a namespace knows of the packets and sockets of its own only.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.observe import tcp
from seatrial.observe.listeners import listen_queues
from seatrial.observe.samples import Interface, NetworkSample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from seatrial.machine.members import Member, Role

GAUGES = frozenset((
    "sockets_used", "tcp_in_use", "tcp_orphans", "tcp_time_wait", "tcp_memory_bytes", "tcp_established",
    "conntrack_entries", "conntrack_max", "listen_queue_max",
))  # fmt: skip
"""What is not cumulative."""
_LISTENING: frozenset[Role] = frozenset(("system", "origin"))
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MEGABIT = 1_000_000


class NetworkSampler:
    """Looks at the namespaces of members; ``ports`` is asked which ports each role listens on."""

    def __init__(self, ports: Callable[[], Mapping[Role, frozenset[int]]] = dict) -> None:
        self._ports = ports
        self._own = _namespace_of(os.getpid())
        self._known: dict[str, str] = {}

    def sample(self, members: Iterable[Member], at_s: float) -> list[NetworkSample]:
        """Look once at each namespace that one of them is in."""
        return [
            self._look(network, roles, pid, at_s) for network, (roles, pid) in self._networks(members).items()
        ]

    def _networks(self, members: Iterable[Member]) -> dict[str, tuple[set[Role], int]]:
        """Return the namespaces by their numbers, each with the roles in it and a process of them."""
        known, self._known = self._known, {}
        found: dict[str, tuple[set[Role], int]] = {}
        for member in members:
            for process in member.processes:
                network = known.get(process.incarnation) or _namespace_of(process.pid)
                if network is not None:
                    self._known[process.incarnation] = network
                    found.setdefault(network, (set(), process.pid))[0].add(member.role)
        return found

    def _look(self, network: str, roles: set[Role], pid: int, at_s: float) -> NetworkSample:
        is_own = network == self._own
        net = Path("/proc/net" if is_own else f"/proc/{pid}/net")
        values = {
            **tcp_values(net),
            **_sockets(net),
            **_conntrack(net),
        }
        # What /proc/sys shows is of the namespace that one is in oneself.
        own = _own_limits(Path("/proc/sys/net")) if is_own else {}
        return NetworkSample(
            at_s=at_s,
            network=network,
            roles=tuple(sorted(roles)),
            values={**values, **own},
            interfaces=_interfaces(net, Path("/sys/class/net") if is_own else None),
            # Where those who listen are elsewhere, the same ports here are others'.
            listeners=listen_queues(self._ports()) if is_own and roles & _LISTENING else {},
        )


def _namespace_of(pid: int) -> str | None:
    """Return the number of a process's network namespace; None where this one may not know, or it is gone."""
    try:
        link = str(Path(f"/proc/{pid}/ns/net").readlink())
    except OSError:
        return None
    return link.removeprefix("net:[").removesuffix("]")


def tcp_values(net: Path) -> dict[str, float]:
    """Read what a namespace's TCP and IP count, by name; absent is what this kernel does not count."""
    values: dict[str, float] = {}
    for file in ("snmp", "netstat"):
        values |= tcp.values_in(_read(net / file).splitlines())
    return values


def _sockets(net: Path) -> dict[str, float]:
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


def _conntrack(net: Path) -> dict[str, float]:
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


def _own_limits(sys_net: Path) -> dict[str, float]:
    files = (("conntrack_max", "netfilter/nf_conntrack_max"), ("listen_queue_max", "core/somaxconn"))
    return {name: float(text) for name, file in files if (text := _read(sys_net / file).strip())}


def _interfaces(net: Path, sys_class: Path | None) -> dict[str, Interface]:
    """Read the interfaces that have ever carried anything."""
    found = {}
    for line in _read(net / "dev").splitlines()[2:]:
        name, _, text = line.partition(":")
        numbers = [int(word) for word in text.split()]
        # Received: bytes packets errs drop fifo frame compressed multicast, and then what was sent, alike.
        if numbers[1] or numbers[9]:
            speed = _speed_bits_per_s(sys_class, name.strip())
            found[name.strip()] = Interface._make((*numbers[:4], *numbers[8:12], speed))
    return found


def _speed_bits_per_s(sys_class: Path | None, name: str) -> int:
    # Those that have no speed refuse to read it, or say -1.
    with suppress(OSError, ValueError):
        if sys_class is not None:
            return max(0, int((sys_class / name / "speed").read_text())) * _MEGABIT
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
