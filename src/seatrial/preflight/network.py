"""Listening and tracking: backlogs against the connect rate, ports that are taken, and connection tracking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.preflight.findings import Finding
from seatrial.units import format_duration, format_rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.machine.facts import Machine
    from seatrial.preflight.findings import Severity
    from seatrial.preflight.needs import Needs

# An accepting process on a busy machine may be away from its CPU for as long; a full queue drops the SYN, and the
# connection is made 1, 3 or 7 seconds later.
STALL_S = 0.1
_EVERYWHERE = frozenset({"0.0.0.0", "::"})


def check_network(needs: Needs, machine: Machine) -> Iterator[Finding]:
    """Yield what the kernel's queues, its listening ports and its connection tracking say."""
    yield _backlog(needs, machine)
    yield from (_listening(host, port, machine) for host, port in needs.listen)
    if machine.conntrack_max is not None:
        yield _conntrack(needs, machine, machine.conntrack_max)


def _backlog(needs: Needs, machine: Machine) -> Finding:
    queue = min(machine.somaxconn, machine.syn_backlog)
    wanted = needs.connect_rate_per_s * STALL_S
    held_s = queue / needs.connect_rate_per_s
    text = (
        f"a listen queue of {queue} (somaxconn {machine.somaxconn}, tcp_max_syn_backlog {machine.syn_backlog}) takes "
        f"{format_duration(held_s)} of connects at {format_rate(needs.connect_rate_per_s)}"
    )
    if queue >= wanted:
        return Finding("backlog", "ok", text)
    remedy = (
        f"`connect_rate: {format_rate(int(queue / STALL_S))}` at most, or "
        "sysctl -w net.core.somaxconn=65535 net.ipv4.tcp_max_syn_backlog=65535"
    )
    return Finding("backlog", "warn", f"{text}: less than the {format_duration(STALL_S)} of a stall", remedy)


def _listening(host: str, port: int, machine: Machine) -> Finding:
    taken = [other for other, listening in machine.listening if listening == port]
    if any(other == host or other in _EVERYWHERE or host in _EVERYWHERE for other in taken):
        return Finding(
            "listen", "refuse", f"{host}:{port} is taken", "stop what listens there, or use another port"
        )
    if machine.port_low <= port <= machine.port_high:
        text = f"{host}:{port} is free, but inside {machine.port_low}-{machine.port_high}, where clients get ports"
        return Finding("listen", "warn", text, "a port outside of net.ipv4.ip_local_port_range")
    return Finding("listen", "ok", f"{host}:{port} is free")


def _conntrack(needs: Needs, machine: Machine, limit: int) -> Finding:
    used = machine.conntrack_count or 0
    text = f"{needs.pairs} connections + {used} tracked now, of nf_conntrack_max {limit}"
    if needs.pairs + used <= limit:
        return Finding("conntrack", "ok", text)
    # Whether loopback is tracked at all depends on firewall rules, which only root may read.
    severity: Severity = "warn" if needs.loopback else "refuse"
    remedy = f"sysctl -w net.netfilter.nf_conntrack_max={2 * (needs.pairs + used)}, or a rule with notrack"
    return Finding("conntrack", severity, f"{text}: beyond it the kernel drops new connections", remedy)
