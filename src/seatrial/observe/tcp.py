"""The kernel's TCP counters, apart from all other samples: a load that starts has to wait for this module."""

from __future__ import annotations

from pathlib import Path

_NAMES = {
    ("Tcp", "CurrEstab"): "tcp_established",
    ("Tcp", "ActiveOpens"): "tcp_active_opens",
    ("Tcp", "PassiveOpens"): "tcp_passive_opens",
    ("Tcp", "RetransSegs"): "tcp_retransmitted_segments",
    ("Tcp", "OutSegs"): "tcp_sent_segments",
    ("Tcp", "OutRsts"): "tcp_sent_resets",
    ("Tcp", "EstabResets"): "tcp_connection_resets",
    ("TcpExt", "ListenOverflows"): "tcp_listen_overflows",
    ("TcpExt", "ListenDrops"): "tcp_listen_drops",
    ("TcpExt", "SyncookiesSent"): "tcp_syncookies_sent",
    ("TcpExt", "TCPTimeouts"): "tcp_timeouts",
    ("TcpExt", "TCPSynRetrans"): "tcp_syn_retransmits",
}


def counters(name: str) -> dict[str, float]:
    """Read /proc/net/NAME, ``snmp`` or ``netstat``: lines in pairs, names and values. Empty where there is none."""
    values: dict[str, float] = {}
    lines = _lines(f"/proc/net/{name}")
    for titles, numbers in zip(lines[::2], lines[1::2], strict=False):
        group, *names = titles.split()
        for title, number in zip(names, numbers.split()[1:], strict=False):
            if known := _NAMES.get((group.rstrip(":"), title)):
                values[known] = float(number)
    return values


def listen_overflows() -> int | None:
    """Return how often a listen queue of this machine has been full since boot; None where the kernel says nothing."""
    count = counters("netstat").get("tcp_listen_overflows")
    return None if count is None else int(count)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
