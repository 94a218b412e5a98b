"""A server that knows when each request arrived, and the statistics of such arrivals.

The kernel stamps each arrival (SO_TIMESTAMPNS), so the times are exact however late this server reads them. A
connection carries one request at a time, so no stamp is that of two requests.
"""

from __future__ import annotations

import math
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from numpy.typing import NDArray

SO_TIMESTAMPNS = 35
"""<asm-generic/socket.h>; the standard library does not name it."""

BIN_NS = 1_000_000
PHASES = 10
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
_LOOK_S = 0.05
_STAMP = struct.Struct("@qq")

Times = NDArray[np.int64]


@dataclass(slots=True)
class Arrivals:
    """What a server saw: ``at_ns`` and ``connections`` of each request, in order of reading; nanoseconds."""

    port: int
    accepted: int = 0
    at_ns: list[int] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    answered_after_ns: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where the server answers."""
        return f"http://127.0.0.1:{self.port}/"

    def times(self) -> Times:
        """Return the arrivals in order of time."""
        return np.sort(np.array(self.at_ns, dtype=np.int64))


@contextmanager
def arrivals(delay_ns: int = 0, connection_limit: int | None = None) -> Iterator[Arrivals]:
    """Answer in a thread until the block ends.

    With ``delay_ns`` each answer leaves that long after its request came, and the thread spins to keep to it. Beyond
    ``connection_limit`` a connection is closed as soon as it is there. The thread runs first where the kernel allows
    it, as the workers of a load do: its own waiting would be in every answer.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        seen = Arrivals(listener.getsockname()[1])
        ended = threading.Event()
        server = _Server(listener, seen, delay_ns, connection_limit)
        thread = threading.Thread(target=server.run, args=(ended,))
        thread.start()
        try:
            yield seen
        finally:
            ended.set()
            thread.join()


class _Server:
    def __init__(self, listener: socket.socket, seen: Arrivals, delay_ns: int, limit: int | None) -> None:
        self._listener = listener
        self._seen = seen
        self._delay_ns = delay_ns
        self._limit = math.inf if limit is None else limit
        self._open: dict[int, socket.socket] = {}
        self._number: dict[int, int] = {}

    def run(self, ended: threading.Event) -> None:
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        with select.epoll() as poller:
            poller.register(self._listener, select.EPOLLIN)
            while not ended.is_set():
                for descriptor, _ in poller.poll(_LOOK_S):
                    if descriptor == self._listener.fileno():
                        self._accept(poller)
                    else:
                        self._serve(descriptor)
        for connection in self._open.values():
            connection.close()

    def _accept(self, poller: select.epoll) -> None:
        connection, _ = self._listener.accept()
        if len(self._open) >= self._limit:
            connection.close()
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        descriptor = connection.fileno()
        self._open[descriptor], self._number[descriptor] = connection, self._seen.accepted
        self._seen.accepted += 1
        poller.register(descriptor, select.EPOLLIN)

    def _serve(self, descriptor: int) -> None:
        connection = self._open[descriptor]
        try:
            received, control, _, _ = connection.recvmsg(65536, 64)
        except OSError:
            received, control = b"", []
        if not received:
            # Closing takes it out of the poller, too.
            self._open.pop(descriptor).close()
            return
        seconds, nanoseconds = _STAMP.unpack(control[0][2])
        at_ns = seconds * 1_000_000_000 + nanoseconds
        while time.time_ns() - at_ns < self._delay_ns:
            pass
        answered_ns = time.time_ns()
        with suppress(OSError):
            connection.sendall(ANSWER)
        self._seen.at_ns.append(at_ns)
        self._seen.answered_after_ns.append(answered_ns - at_ns)
        self._seen.connections.append(self._number[descriptor])


def index_of_dispersion(times: Times, bin_ns: int = BIN_NS) -> float:
    """Return variance over mean of the counts in bins: 0 for even arrivals, 1 for Poisson ones (Cox and Lewis 1966).

    Where the bins begin is arbitrary, and an even load on a grid of whole fractions of a bin may fall on their edges.
    So this is the median over several beginnings.
    """
    starts = (int(times[0]) + shift for shift in range(bin_ns // (2 * PHASES), bin_ns, bin_ns // PHASES))
    return median(_dispersion(times, start_ns, bin_ns) for start_ns in starts)


def _dispersion(times: Times, start_ns: int, bin_ns: int) -> float:
    bins = (times[times >= start_ns] - start_ns) // bin_ns
    # The last bin is not whole.
    counts = np.bincount(bins)[:-1]
    return float(counts.var(ddof=1) / counts.mean())


def gap_ranks(times: Times, length_ns: int) -> NDArray[np.float64]:
    """Return for each gap between the arrivals of a part how probable a longer one is, were the arrivals random.

    N random arrivals cut their part into spacings of which each is longer than x with probability ``(1 - x/L)^N``
    (David and Nagaraja, "Order Statistics", 2003, 6.4): so these are uniform from 0 to 1, however short the part.
    """
    ranks: NDArray[np.float64] = (1 - np.diff(times) / length_ns) ** len(times)
    return ranks


def uniform_anderson_darling(values: NDArray[np.float64]) -> float:
    """Return A^2 of values against the uniform distribution from 0 to 1.

    Marsaglia and Marsaglia, "Evaluating the Anderson-Darling Distribution", J. Stat. Software 2004: above 2.492 with
    probability 5 %, above 3.857 with 1 %, above 6.0 with 0.1 %.
    """
    ordered = np.clip(np.sort(values), 1e-12, 1 - 1e-12)
    count = len(ordered)
    weights = 2 * np.arange(1, count + 1) - 1
    return float(-count - np.sum(weights * (np.log(ordered) + np.log1p(-ordered[::-1]))) / count)
