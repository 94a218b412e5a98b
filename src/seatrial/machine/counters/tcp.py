"""The kernel's TCP counters, apart from all other samples: a load that starts has to wait for this module."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from seatrial.errors import EnvironmentFault
from seatrial.machine.namespace import OF_THIS_THREAD, Namespace, entered

OWN: tuple[Namespace | None, ...] = (None,)
"""This machine's own network."""

_NAMES = {
    ("Ip", "InDiscards"): "ip_received_discards",
    ("Ip", "OutDiscards"): "ip_sent_discards",
    ("Tcp", "CurrEstab"): "tcp_established",
    ("Tcp", "ActiveOpens"): "tcp_active_opens",
    ("Tcp", "PassiveOpens"): "tcp_passive_opens",
    ("Tcp", "AttemptFails"): "tcp_failed_attempts",
    ("Tcp", "RetransSegs"): "tcp_retransmitted_segments",
    ("Tcp", "InSegs"): "tcp_received_segments",
    ("Tcp", "OutSegs"): "tcp_sent_segments",
    ("Tcp", "OutRsts"): "tcp_sent_resets",
    ("Tcp", "EstabResets"): "tcp_connection_resets",
    ("TcpExt", "ListenOverflows"): "tcp_listen_overflows",
    ("TcpExt", "ListenDrops"): "tcp_listen_drops",
    ("TcpExt", "SyncookiesSent"): "tcp_syncookies_sent",
    ("TcpExt", "TCPReqQFullDrop"): "tcp_syn_queue_drops",
    ("TcpExt", "TCPTimeouts"): "tcp_timeouts",
    ("TcpExt", "TCPSynRetrans"): "tcp_syn_retransmits",
    ("TcpExt", "TCPBacklogDrop"): "tcp_backlog_drops",
    ("TcpExt", "TCPRcvQDrop"): "tcp_receive_queue_drops",
    ("TcpExt", "PruneCalled"): "tcp_receive_buffer_prunes",
    ("TcpExt", "TCPMemoryPressures"): "tcp_memory_pressures",
    ("TcpExt", "TCPMemoryPressuresChrono"): "tcp_memory_pressure_ms",
    ("TcpExt", "TCPAbortOnMemory"): "tcp_aborts_for_memory",
    ("TcpExt", "TCPTimeWaitOverflow"): "tcp_time_wait_overflows",
}


def counters(name: str, networks: Sequence[Namespace | None] = OWN) -> dict[str, float]:
    """Read /proc/net/NAME, ``snmp`` or ``netstat``, of all of these networks together. Empty where there is none."""
    values: dict[str, float] = defaultdict(float)
    for network in networks:
        for title, value in values_in(lines_of(name, network)).items():
            values[title] += value
    return dict(values)


def values_in(lines: Sequence[str]) -> dict[str, float]:
    """Return what such a file says: its lines are in pairs, names and values."""
    values: dict[str, float] = {}
    for titles, numbers in zip(lines[::2], lines[1::2], strict=False):
        group, *names = titles.split()
        for title, number in zip(names, numbers.split()[1:], strict=False):
            if known := _NAMES.get((group.rstrip(":"), title)):
                values[known] = float(number)
    return values


def listen_overflows(networks: Sequence[Namespace | None] = OWN) -> int | None:
    """Return how often a listen queue of theirs has been full since boot; None where the kernel does not say."""
    count = counters("netstat", networks).get("tcp_listen_overflows")
    return None if count is None else int(count)


def lines_of(name: str, network: Namespace | None) -> list[str]:
    """Return the lines of /proc/net/NAME of one network; none where it cannot be read, or the network is gone."""
    try:
        with entered(network):
            return (OF_THIS_THREAD / name).read_text().splitlines()
    except (OSError, EnvironmentFault):
        return []
