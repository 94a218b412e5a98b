"""Local ports: a connection is a (source address, port, destination address, port), and the source ports run out.

Measured on Linux 6.18 (loopback, one source and one destination): 44,000 connects/s up to 18,000 connections, 2,100/s
at 36,000, 430/s at 54,000, because the kernel searches the range linearly and hands out even ports first. So with ports
chosen by the kernel a pair is planned for 28,000. A socket that narrows its own range (IP_LOCAL_PORT_RANGE, Linux 6.3)
has no such cliff and may use the whole range. See also Cloudflare, "connect() - why are you so slow?", 2024.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from seatrial.preflight.findings import Finding
from seatrial.units import format_rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.machine.facts import Machine
    from seatrial.preflight.needs import Needs

KERNEL_CHOSEN_PORTS = 28_000
# What workers plan for by themselves: in the default range of 28,232 ports the search for a free one is still fast.
# Of a smaller range they leave as much unused.
PORTS_PER_SOURCE = 20_000
SHARE_OF_PORTS = 0.7
# How long the side that closes keeps the pair of addresses (TCP_TIMEWAIT_LEN in include/net/tcp.h), and after how long
# connect() may take it again where net.ipv4.tcp_tw_reuse lets it.
TIME_WAIT_S, REUSED_AFTER_S = 60, 1
# 127.0.0.0/8 without its network, its broadcast and 127.0.0.1, where everything else on the machine lives.
LOOPBACK_SOURCES = (1 << 24) - 3


def check_ports(needs: Needs, machine: Machine) -> Iterator[Finding]:
    """Yield whether source addresses and ports suffice, for the workers and for the proxy's way to the origin."""
    yield _workers(needs, machine)
    if needs.proxied:
        yield _upstream(needs, machine)


def ports_per_pair(machine: Machine) -> int:
    """Return how many connections one source address may have to one destination."""
    return machine.ports if machine.port_window else min(machine.ports, KERNEL_CHOSEN_PORTS)


def sources_needed(connections: int, destinations: int, machine: Machine) -> int:
    """Return how many source addresses so many connections need."""
    return max(1, math.ceil(connections / (ports_per_pair(machine) * destinations)))


def automatic_sources_needed(connections: int, destinations: int, ports: int) -> int:
    """Return how many addresses of loopback workers take by themselves where a source has so many ports."""
    each = min(PORTS_PER_SOURCE, max(1, int(ports * SHARE_OF_PORTS)))
    return max(1, math.ceil(connections / (each * destinations)))


def ports_needed(needs: Needs) -> tuple[int, str]:
    """Return how many ports one source address must have for one destination, and the arithmetic.

    A connection that was closed keeps its port for a second (tcp_tw_reuse_delay) where ``tcp_tw_reuse`` is in force.
    """
    upstream = needs.active if needs.proxied else 0
    through = f"{upstream} active connections from the proxy to one origin address"
    if needs.sources is None and needs.loopback:
        return upstream, f"{through}; workers take as many addresses of loopback as they need"
    sources, closed = needs.sources or 1, math.ceil(needs.reopened_per_s * REUSED_AFTER_S)
    each = math.ceil((needs.connections + closed) / (sources * needs.destinations))
    if upstream > each:
        return upstream, through
    opened = f" + {closed} closed within {REUSED_AFTER_S} s" if closed else ""
    over = f"{sources} source and {needs.destinations} destination addresses"
    return each, f"{needs.connections} connections{opened} over {over} = {each} ports of each pair"


def closed_ports(needs: Needs) -> tuple[int, str]:
    """Return how many closed connections keep a port at a time where no port is used again before its time is over."""
    closed = math.ceil(needs.reopened_per_s * TIME_WAIT_S)
    return closed, f"{format_rate(needs.reopened_per_s)} closed x {TIME_WAIT_S} s of TIME_WAIT = {closed}"


def _workers(needs: Needs, machine: Machine) -> Finding:
    code, each = "ports", ports_per_pair(machine)
    needed = sources_needed(needs.connections, needs.destinations, machine)
    how = "the program narrows the range" if machine.port_window else "the kernel chooses"
    text = (
        f"{needs.connections} connections over {each} ports of each source ({machine.port_low}-{machine.port_high}, "
        f"{how}) and {needs.destinations} destination addresses: source addresses needed: {needed}"
    )
    given = needs.sources or (LOOPBACK_SOURCES if needs.loopback else 1)
    if needed > given:
        remedy = (
            f"{needed} source addresses or more (`sources` with a wider CIDR), or a wider ip_local_port_range"
        )
        return Finding(code, "refuse", f"{text}, given: {given}", remedy)
    return Finding(code, "ok", text if needs.sources else f"{text}, chosen automatically")


def _upstream(needs: Needs, machine: Machine) -> Finding:
    each = min(machine.ports, KERNEL_CHOSEN_PORTS)
    text = f"the proxy goes on to one origin address with up to {needs.active} connections"
    if needs.active > each:
        remedy = f"`active: {each}` at most"
        return Finding("ports-upstream", "refuse", f"{text}, but has {each} ports for it", remedy)
    return Finding("ports-upstream", "ok", f"{text} of {each} ports")
