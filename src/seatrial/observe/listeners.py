"""The queues of listeners, asked of the kernel: which of them were full, and how long they may become.

The counters of a namespace say that connections were dropped; only the socket says at which listener. Linux counts them
there, too: ``tcp_listendrop`` in include/net/tcp.h adds to both.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

from seatrial.machine import sockets
from seatrial.observe.samples import ListenQueue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seatrial.machine.members import Role

_MEMORY_INFO = 7
"""INET_DIAG_SKMEMINFO of linux/inet_diag.h; its bit in a request is one lower."""
_DROPS = 8
"""SK_MEMINFO_DROPS of linux/sock_diag.h: the place among its numbers."""
_MESSAGE_BYTES = 72
"""struct inet_diag_msg; attributes follow."""


def listen_queues(ports: Mapping[Role, frozenset[int]]) -> dict[Role, ListenQueue]:
    """Return the queues of the listeners on these ports, those of each role together; empty where not known."""
    if not any(ports.values()):
        return {}
    try:
        found = tuple(_listeners())
    except OSError:
        return {}
    queues = {}
    for role, own_ports in ports.items():
        own = [listener for listener in found if listener.port in own_ports]
        if own:
            queues[role] = ListenQueue(
                drops=sum(listener.drops for listener in own),
                waiting=sum(listener.waiting for listener in own),
                limit=min(listener.limit for listener in own),
            )
    return queues


class _Listener(NamedTuple):
    port: int
    drops: int
    waiting: int
    limit: int


def _listeners() -> Iterator[_Listener]:
    for family in (socket.AF_INET, socket.AF_INET6):
        for message in sockets.diagnose(
            family, states=1 << sockets.LISTEN, extensions=1 << (_MEMORY_INFO - 1)
        ):
            yield _Listener(
                port=int.from_bytes(message[4:6], "big"),
                drops=_drops(message[_MESSAGE_BYTES:]),
                # Of a listener the two queues are how many wait, and how many may.
                waiting=struct.unpack_from("=I", message, 56)[0],
                limit=struct.unpack_from("=I", message, 60)[0],
            )


def _drops(attributes: bytes) -> int:
    offset = 0
    while offset + 4 <= len(attributes):
        length, kind = struct.unpack_from("=HH", attributes, offset)
        if kind == _MEMORY_INFO and length >= 4 + 4 * (_DROPS + 1):
            return int(struct.unpack_from("=I", attributes, offset + 4 + 4 * _DROPS)[0])
        offset += max(4, (length + 3) & ~3)
    # Linux before 4.7 does not say.
    raise OSError("this kernel does not say what a listener has dropped")
