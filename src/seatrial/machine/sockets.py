"""TCP sockets of this machine, asked of the kernel, so that every system can be checked in the same way.

Uses sock_diag(7) over netlink, which filters by port and state inside the kernel: 3,000 sockets take 5 ms
where reading /proc/net/tcp takes five times that. Where the kernel lacks it, /proc/net/tcp is read after all.
Each looks into one network: this machine's own, or that of a namespace.
"""

from __future__ import annotations

import random
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault
from seatrial.machine import proc
from seatrial.machine.address import Address
from seatrial.machine.namespace import OF_THIS_THREAD, entered, stream_socket

if TYPE_CHECKING:
    from seatrial.machine.namespace import Namespace

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

ESTABLISHED = 1
SYN_RECV = 3
CLOSE_WAIT = 8
LISTEN = 10
"""States as the kernel numbers them (include/net/tcp_states.h)."""

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_DUMP_REQUEST = 0x301
_DONE, _ERROR = 3, 2
_BUFFER_BYTES = 1 << 18
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST_PORT = 10_000
_ATTEMPTS = 200


def count_established(port: int, namespace: Namespace | None = None) -> int:
    """Count the connections of a local listener on this port, accepted or waiting to be accepted."""
    return _count(port, namespace, ESTABLISHED)


def count_open(port: int, namespace: Namespace | None = None) -> int:
    """Count those and the half-open ones: zero only when nothing at all is left on the port."""
    return _count(port, namespace, ESTABLISHED, SYN_RECV, CLOSE_WAIT)


def is_listening(port: int, namespace: Namespace | None = None) -> bool:
    """Return whether something listens on the port, without a connection that the listener would count."""
    return _count(port, namespace, LISTEN) > 0


def free_address(host: str = "127.0.0.1", namespace: Namespace | None = None) -> Address:
    """Choose a port that nothing listens on, outside the range that outgoing connections take theirs from.

    Nothing holds it until the system binds it; ``require_free`` just before that gives the better message.
    """
    with entered(namespace):
        below = min(int(_EPHEMERAL_RANGE.read_text().split()[0]), 65_536)
    for _ in range(_ATTEMPTS if below > _LOWEST_PORT else 0):
        address = Address(host, random.randrange(_LOWEST_PORT, below), namespace=namespace)
        if _bind_problem(address) is None:
            return address
    with stream_socket(host, namespace) as probe:
        probe.bind((host, 0))
        return Address(host, probe.getsockname()[1], namespace=namespace)


def require_free(address: Address) -> None:
    """Raise ``EnvironmentFault`` where the address cannot be listened on.

    Proxies bind with SO_REUSEPORT, so two of them would otherwise share a port and its connections in
    silence.
    """
    problem = _bind_problem(address)
    if problem is None:
        return
    with entered(address.namespace):
        holder = _listener_of(address.port)
    raise EnvironmentFault(
        f"cannot listen on {address}: {problem}",
        cause=f"{holder} listens there" if holder else None,
        next_step="end what listens there, or let Seatrial choose a port",
    )


def _bind_problem(address: Address) -> str | None:
    with stream_socket(address.host, address.namespace) as probe:
        # Connections in TIME_WAIT are no obstacle for the proxies either; a listener still is.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
            probe.listen(1)
        except OSError as error:
            return error.strerror or str(error)
    return None


def _count(port: int, namespace: Namespace | None, *states: int) -> int:
    mask = sum(1 << state for state in states)
    with entered(namespace):
        try:
            return sum(_dump(family, port, mask) for family in (socket.AF_INET, socket.AF_INET6))
        except OSError:
            return _count_in_proc(port, mask)


def diagnose(family: int, *, states: int, port: int = 0, extensions: int = 0) -> Iterator[bytes]:
    """Yield what the kernel says of each TCP socket in one of ``states`` (bits): struct inet_diag_msg and attributes.

    Raises ``OSError`` where this kernel has no sock_diag. ``extensions`` are bits of linux/inet_diag.h.
    """
    # struct inet_diag_req_v2 of linux/inet_diag.h behind a struct nlmsghdr; in a dump the id filters by port
    # alone.
    query = struct.pack("=BBBxI", family, socket.IPPROTO_TCP, extensions, states)
    query += struct.pack("!H46x", port)
    head = struct.pack("=IHHII", 16 + len(query), _SOCK_DIAG_BY_FAMILY, _DUMP_REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as diagnostics:
        diagnostics.settimeout(10.0)
        diagnostics.send(head + query)
        while not (yield from _messages(diagnostics.recv(_BUFFER_BYTES))):
            pass


def _dump(family: int, port: int, states: int) -> int:
    return sum(1 for _ in diagnose(family, states=states, port=port))


def _messages(data: bytes) -> Generator[bytes, None, bool]:
    """Yield the sockets in one answer; return whether it is the last."""
    offset = 0
    while offset + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, offset)
        if kind == _ERROR:
            raise OSError("this kernel has no sock_diag for TCP")
        if kind == _DONE or length < 16:
            return True
        yield data[offset + 16 : offset + length]
        offset += (length + 3) & ~3
    return False


def _count_in_proc(port: int, states: int) -> int:
    return sum(1 for found, state, _ in _proc_sockets() if found == port and states >> state & 1)


def _proc_sockets() -> list[tuple[int, int, str]]:
    """Return (local port, state, inode) of every TCP socket."""
    found = []
    for name in ("tcp", "tcp6"):
        with suppress(OSError), (OF_THIS_THREAD / name).open() as lines:
            next(lines)
            for line in lines:
                fields = line.split()
                found.append((int(fields[1].rsplit(":", 1)[1], 16), int(fields[3], 16), fields[9]))
    return found


def _listener_of(port: int) -> str | None:
    """Name the process that listens on a port, where this one may see it. Slow: for error messages."""
    inodes = {inode for found, state, inode in _proc_sockets() if (found, state) == (port, LISTEN)}
    links = {f"socket:[{inode}]" for inode in inodes}
    for pid in proc.all_pids():
        with suppress(OSError):
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    if str(entry.readlink()) in links:
                        return f"process {pid} ({' '.join(proc.command_line(pid)[:3])})"
    return None
