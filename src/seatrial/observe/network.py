"""Samples of network namespaces: sockets, what TCP counts, connection tracking, interfaces.

Every namespace that a process of the trial is in is looked at through
that process's folder of /proc; a namespace knows of the packets and sockets of its own only.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.machine.counters.network import conntrack, interfaces, own_limits, sockets, tcp_values
from seatrial.observe.listeners import listen_queues
from seatrial.observe.samples import Interface, NetworkSample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from seatrial.machine.members import Member, Role

_LISTENING: frozenset[Role] = frozenset(("system", "origin"))


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
            **sockets(net),
            **conntrack(net),
        }
        # What /proc/sys shows is of the namespace that one is in oneself.
        own = own_limits(Path("/proc/sys/net")) if is_own else {}
        return NetworkSample(
            at_s=at_s,
            network=network,
            roles=tuple(sorted(roles)),
            values={**values, **own},
            interfaces={
                name: Interface._make(counts)
                for name, counts in interfaces(net, Path("/sys/class/net") if is_own else None).items()
            },
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
