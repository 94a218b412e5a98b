"""Listening and tracking: backlogs against the connect rate, ports that are taken, and connection tracking."""

from __future__ import annotations

import math
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
# Without SYN cookies the kernel keeps the last quarter of tcp_max_syn_backlog for peers that it has heard of; with them
# it does not look at it (tcp_conn_request in net/ipv4/tcp_input.c).
SYN_SHARE = 0.75
# How long a connection is tracked after its end (net.netfilter.nf_conntrack_tcp_timeout_time_wait by default).
TRACKED_AFTER_S = 120
_EVERYWHERE = frozenset({"0.0.0.0", "::"})


def check_network(needs: Needs, machine: Machine) -> Iterator[Finding]:
    """Yield what the kernel's queues, its listening ports and its connection tracking say."""
    yield _backlog(needs, machine)
    yield from (_listening(host, port, machine) for host, port in needs.listen)
    if machine.conntrack_max is not None:
        yield _conntrack(needs, machine, machine.conntrack_max)


def listen_queue_needed(needs: Needs) -> tuple[int, str]:
    """Return how many connections a listener must let wait while a stall lasts, and the arithmetic.

    To the proxies of a fleet connections are dealt in turns. What goes on to the origin is opened where requests come
    in and no connection is free: as many as come in during the stall, and as many as are active.
    """
    stall, by = format_duration(STALL_S), max(needs.connect_rate_per_s, needs.reopened_per_s)
    front = math.ceil(by * STALL_S / needs.destinations)
    over = f" / {needs.destinations} listeners" if needs.destinations > 1 else ""
    text = f"connects at {format_rate(by)} x a stall of {stall}{over} = {front} that wait in a listen queue"
    if not needs.proxied:
        return front, text
    at_once = needs.active if needs.rate_per_s is None else math.ceil(needs.rate_per_s * STALL_S)
    behind = min(needs.active, at_once)
    if behind <= front:
        return front, text
    return (
        behind,
        f"{needs.active} active, of which {behind} may go on to the origin within a stall of {stall}",
    )


def tracked_needed(needs: Needs, machine: Machine) -> tuple[int, str]:
    """Return how many connections are tracked at a time, those of now and those that have ended too."""
    used, ended = machine.conntrack_count or 0, math.ceil(needs.reopened_per_s * TRACKED_AFTER_S)
    after = f" + {ended} that ended within {TRACKED_AFTER_S} s" if ended else ""
    return needs.pairs + used + ended, f"{needs.pairs} connections + {used} tracked now{after}"


def _backlog(needs: Needs, machine: Machine) -> Finding:
    queue = listen_queue(machine)
    wanted, _ = listen_queue_needed(needs)
    rate_per_s = max(needs.connect_rate_per_s, needs.reopened_per_s) / needs.destinations
    text = (
        f"a listen queue of {queue} (somaxconn {machine.somaxconn}, tcp_max_syn_backlog {machine.syn_backlog}) takes "
        f"{format_duration(queue / rate_per_s)} of connects at {format_rate(rate_per_s)}"
    )
    if queue >= wanted:
        return Finding("backlog", "ok", text)
    most = int(queue / STALL_S * needs.destinations)
    remedy = f"`connect_rate: {format_rate(most)}` at most, or sysctl -w net.core.somaxconn={wanted}"
    if machine.syncookies == 0:
        remedy += f" net.ipv4.tcp_max_syn_backlog={syn_backlog_for(wanted)}"
    return Finding("backlog", "warn", f"{text}: less than the {format_duration(STALL_S)} of a stall", remedy)


def listen_queue(machine: Machine) -> int:
    """Return how many connections may wait at a listener that asks for more than the kernel gives."""
    if machine.syncookies:
        return machine.somaxconn
    return min(machine.somaxconn, int(machine.syn_backlog * SYN_SHARE))


def syn_backlog_for(queue: int) -> int:
    """Return the tcp_max_syn_backlog that lets so many wait where there are no SYN cookies."""
    return math.ceil(queue / SYN_SHARE)


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
    needed, sum_text = tracked_needed(needs, machine)
    text = f"{sum_text}, of nf_conntrack_max {limit}"
    if needed <= limit:
        return Finding("conntrack", "ok", text)
    # Whether loopback is tracked at all depends on firewall rules, which only root may read.
    severity: Severity = "warn" if needs.loopback else "refuse"
    remedy = f"sysctl -w net.netfilter.nf_conntrack_max={needed}, or a rule with notrack"
    return Finding("conntrack", severity, f"{text}: beyond it the kernel drops new connections", remedy)
