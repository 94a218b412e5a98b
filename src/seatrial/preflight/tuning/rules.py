"""Every setting that a load may need: how much of it, worked out from the load, and why.

No constant here is a recommendation. Where a check of preflight has the arithmetic, it is that check's. Not here are
settings that nothing asks for: ``net.core.rmem_max`` and ``wmem_max`` bound ``SO_RCVBUF`` and ``SO_SNDBUF``, which
neither workers nor origins nor proxies set; held connections are reset, so they leave neither orphans nor TIME_WAIT.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seatrial.preflight.descriptors import files_needed, shares
from seatrial.preflight.memory import message_bytes, tcp_memory_needed
from seatrial.preflight.network import listen_queue_needed, syn_backlog_for, tracked_needed
from seatrial.preflight.ports import automatic_sources_needed, closed_ports, ports_needed, ports_per_pair
from seatrial.preflight.tuning import raising
from seatrial.units import format_duration, format_rate

if TYPE_CHECKING:
    from seatrial.machine.facts import Machine
    from seatrial.preflight.needs import Needs

Scope = Literal["network namespace", "machine", "process"]

# The loopback device's largest packet; what is longer goes in several.
PACKET_BYTES = 65_536
# ksoftirqd takes over where packets come faster than they are handled, and is a process like any other: on a busy CPU
# it waits for the slices of three or four of them (about 3 ms each).
SOFTIRQ_WAIT_S = 0.01
# Entries to a bucket of the connection table: 4 in the kernel until 5.15, 1 since; a longer chain costs time.
TRACKED_PER_BUCKET = 4
# The kernel makes the table of whole pages, 512 buckets each; it would round up.
BUCKETS_PER_PAGE = 512


@dataclass(frozen=True, slots=True)
class Amount:
    """How much of a setting a load needs, and the arithmetic."""

    amount: int
    why: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One setting; ``needed`` returns None where a load asks nothing of it."""

    name: str
    unit: str
    scope: Scope
    needed: Callable[[Needs, Machine], Amount | None]
    raised: raising.Raise = raising.to_at_least


NOFILE = "nofile"
"""The hard limit of open files, which is no sysctl: each process has its own, from the one that started it."""


def _nofile(needs: Needs, _machine: Machine) -> Amount | None:
    largest = max(shares(needs), key=lambda share: share.each, default=None)
    return None if largest is None else Amount(largest.each, largest.text)


def _nr_open(needs: Needs, machine: Machine) -> Amount | None:
    wanted = _nofile(needs, machine)
    return wanted and Amount(
        wanted.amount, f"no process may have more than it, and one needs {wanted.amount} descriptors"
    )


def _file_max(needs: Needs, machine: Machine) -> Amount:
    needed = files_needed(needs)
    why = f"{needs.pairs} pairs of sockets = {needed} open files + {machine.files_open} open now"
    return Amount(needed + machine.files_open, why)


def _watches(needs: Needs, _machine: Machine) -> Amount:
    why = f"each end of {needs.pairs} pairs of sockets is watched by an epoll instance"
    return Amount(2 * needs.pairs, why)


def _somaxconn(needs: Needs, _machine: Machine) -> Amount:
    return Amount(*listen_queue_needed(needs))


def _syn_backlog(needs: Needs, machine: Machine) -> Amount:
    queue, why = listen_queue_needed(needs)
    if machine.syncookies:
        return Amount(
            0, f"with SYN cookies (tcp_syncookies {machine.syncookies}) the kernel does not look at it"
        )
    return Amount(
        syn_backlog_for(queue), f"{why}; without SYN cookies three quarters of it are for new peers"
    )


def _ports(needs: Needs, _machine: Machine) -> Amount:
    return Amount(*ports_needed(needs))


def _reuse(needs: Needs, machine: Machine) -> Amount | None:
    closed, why = closed_ports(needs)
    automatic = automatic_sources_needed(needs.connections, needs.destinations, machine.ports)
    sources = needs.sources or (automatic if needs.loopback else 1)
    room = ports_per_pair(machine) * sources * needs.destinations
    if closed + needs.connections <= room:
        return None
    return Amount(
        2, f"{why} + {needs.connections} open ones do not fit into {room} ports: they have to be taken again"
    )


def _tw_buckets(needs: Needs, _machine: Machine) -> Amount:
    closed, why = closed_ports(needs)
    ended = needs.active + (needs.upstream if needs.proxied else 0)
    closing = f"{why} + " if closed else ""
    return Amount(closed + ended, f"{closing}{ended} that end with a trial")


def _tcp_mem(needs: Needs, machine: Machine) -> Amount:
    size_bytes, why = tcp_memory_needed(needs)
    return Amount(math.ceil(size_bytes / machine.page_bytes), f"{why}, in pages of {machine.page_bytes} B")


def _wmem(needs: Needs, _machine: Machine) -> Amount:
    size_bytes = message_bytes(needs)
    return Amount(size_bytes, f"one message of {size_bytes} B leaves in one write")


def _rmem(needs: Needs, _machine: Machine) -> Amount:
    size_bytes = message_bytes(needs)
    why = f"one message of {size_bytes} B waits for its reader; half of a buffer is for the kernel's own records"
    return Amount(2 * size_bytes, why)


def _device_backlog(needs: Needs, machine: Machine) -> Amount | None:
    if needs.rate_per_s is None:
        return None
    legs = 2 if needs.proxied else 1
    packets = legs * (2 + 2 * math.ceil(message_bytes(needs) / PACKET_BYTES))
    waiting = math.ceil(needs.rate_per_s * packets * SOFTIRQ_WAIT_S / max(1, machine.cpus))
    why = (
        f"{format_rate(needs.rate_per_s)} x {packets} packets and acknowledgements x {format_duration(SOFTIRQ_WAIT_S)} "
        f"that ksoftirqd may wait / {machine.cpus} CPUs"
    )
    return Amount(waiting, why)


def _tracked(needs: Needs, machine: Machine) -> Amount | None:
    return None if machine.conntrack_max is None else Amount(*tracked_needed(needs, machine))


def _buckets(needs: Needs, machine: Machine) -> Amount | None:
    if machine.conntrack_max is None:
        return None
    tracked, why = tracked_needed(needs, machine)
    pages = math.ceil(tracked / TRACKED_PER_BUCKET / BUCKETS_PER_PAGE)
    return Amount(pages * BUCKETS_PER_PAGE, f"({why}) / {TRACKED_PER_BUCKET} in a bucket, in whole pages")


RULES: tuple[Rule, ...] = (
    Rule(NOFILE, "descriptors", "process", _nofile),
    Rule("fs.nr_open", "descriptors", "machine", _nr_open),
    Rule("fs.file-max", "files", "machine", _file_max),
    Rule("fs.epoll.max_user_watches", "watches", "machine", _watches),
    Rule("net.core.somaxconn", "connections", "network namespace", _somaxconn),
    Rule("net.ipv4.tcp_max_syn_backlog", "connections", "network namespace", _syn_backlog),
    Rule("net.ipv4.ip_local_port_range", "ports", "network namespace", _ports, raising.ports),
    Rule("net.ipv4.tcp_tw_reuse", "", "network namespace", _reuse, raising.to_reuse),
    Rule("net.ipv4.tcp_max_tw_buckets", "connections", "network namespace", _tw_buckets),
    Rule("net.ipv4.tcp_mem", "pages", "machine", _tcp_mem, raising.pressure_of_three),
    Rule("net.ipv4.tcp_wmem", "bytes", "network namespace", _wmem, raising.maximum_of_three),
    Rule("net.ipv4.tcp_rmem", "bytes", "network namespace", _rmem, raising.maximum_of_three),
    Rule("net.core.netdev_max_backlog", "packets", "machine", _device_backlog),
    Rule("net.netfilter.nf_conntrack_max", "connections", "machine", _tracked),
    Rule("net.netfilter.nf_conntrack_buckets", "buckets", "machine", _buckets),
)
