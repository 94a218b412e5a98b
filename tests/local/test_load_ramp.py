"""Ramps that run ahead of the listener: what gets in, in which order, and what is said where it does not.

The judges are a server of our own, the kernel's table of sockets and the kernel's counters.
"""

from __future__ import annotations

import json
import re
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.support.program import SEATRIAL, Running, run_seatrial, wait_until

from seatrial.errors import ExitCode
from seatrial.machine.counters.tcp import listen_overflows
from seatrial.machine.sockets import free_address

QUEUE = 128
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class SlowListener:
    """Accepts one connection every so often from a short queue, ``limit`` at most, and answers whoever asks."""

    def __init__(self, every_s: float, limit: int | None = None) -> None:
        self._every_s, self._limit = every_s, limit
        # Not a port that clients may have: other tests' connections from it would be counted as ones towards it.
        address = free_address()
        self._listener = socket.create_server((address.host, address.port), backlog=QUEUE)
        self.port = address.port
        self.accepted: list[socket.socket] = []
        self.asked: set[int] = set()
        self._ends = False
        self._poll = select.epoll()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        next_s = time.monotonic()
        places: dict[int, int] = {}
        while not self._ends:
            now_s = time.monotonic()
            if now_s >= next_s and (self._limit is None or len(self.accepted) < self._limit):
                next_s = max(next_s, now_s - 0.02) + self._every_s
                self._listener.setblocking(False)
                with suppress(BlockingIOError):
                    connection, _ = self._listener.accept()
                    places[connection.fileno()] = len(self.accepted)
                    self.accepted.append(connection)
                    self._poll.register(connection, select.EPOLLIN)
            for file, _ in self._poll.poll(max(0.0, min(0.05, next_s - time.monotonic()))):
                connection = self.accepted[places[file]]
                with suppress(OSError):
                    if connection.recv(4096):
                        self.asked.add(places[file])
                        connection.sendall(ANSWER)
                        continue
                self._poll.unregister(file)

    def close(self) -> None:
        self._ends = True
        self._thread.join()
        for connection in (*self.accepted, self._listener):
            connection.close()


def established_towards(port: int) -> int:
    """Return how many connections to this port the kernel has as established, at the end that opened them."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    # By their own addresses: the kernel prints a table that changes meanwhile piece by piece, and a row maybe twice.
    return len({row[1] for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "01"})


@contextmanager
def listening(every_s: float, limit: int | None = None) -> Iterator[SlowListener]:
    server = SlowListener(every_s, limit)
    try:
        yield server
    finally:
        server.close()


@pytest.mark.parametrize("driver", ["epoll", "io_uring"])
def test_a_ramp_at_twice_what_the_listener_accepts_ends_with_every_connection(driver: str) -> None:
    overflows_before = listen_overflows()
    with listening(1 / 400) as server, Running(
        "load", f"http://127.0.0.1:{server.port}/", "-q", "--json", "-", "-c", "20", "--hold", "1200", "-R", "100",
        "-d", "1s", "--connect-rate", "800", "--timeout", "2s", "--driver", driver,
    ) as running:  # fmt: skip
        # A request is sent when every connection is there, and not before. They are counted at this end: at the other
        # the last segment of a handshake that a full queue did not take is sent again later, or never (SYN cookies).
        assert wait_until(lambda: server.asked, 60.0)
        assert established_towards(server.port) == 1_220
        outcome = running.wait(30.0)
        asked = server.asked
    document = outcome.document
    assert overflows_before is None or (listen_overflows() or 0) > overflows_before, (
        "the queue never was full"
    )
    assert document["connections"]["active"] == {"requested": 20, "established": 20}
    assert document["connections"]["held"] == {"requested": 1_200, "established": 1_200}
    assert document["requests"]["completed"] == document["requests"]["intended"] == 100
    assert not [one for one in document["validity"]["reasons"] if one["code"].startswith("system.")]
    # Those that carry requests were among the first to get in.
    assert max(asked) < 20 + 64


def test_a_ramp_that_comes_to_no_end_ends_the_load_and_says_how_far_it_came() -> None:
    overflows_before = listen_overflows()
    with listening(1 / 2_000, limit=300) as server:
        outcome = run_seatrial(
            "load", f"http://127.0.0.1:{server.port}/", "-q", "--json", "-", "-c", "10", "--hold", "990",
            "-R", "100", "-d", "60s", "--connect-rate", "1000", "--timeout", "300ms",
        )  # fmt: skip
        assert not server.asked
        assert len(server.accepted) == 300
    document = outcome.document
    assert outcome.code == ExitCode.INVALID_MEASUREMENT
    assert document["window_s"] == 0
    assert document["requests"]["intended"] == 0
    (reason,) = document["validity"]["reasons"]
    assert reason["code"] == "system.ramp"
    # The kernel has established those that wait in the queue, too.
    established = sum(document["connections"][kind]["established"] for kind in ("active", "held"))
    assert 300 <= established <= 300 + QUEUE + 1
    assert reason["text"].startswith(f"{established} of 1,000 connections were established")
    assert "where 1,000/s were asked for" in reason["text"]
    assert document["connections"]["active"]["established"] == 10
    if overflows_before is not None:
        assert "overflowed" in reason["text"]
    assert "connection limits" in reason["remedy"]


def test_where_nothing_listens_no_window_is_run() -> None:
    url = f"http://{free_address()}/"
    outcome = run_seatrial("load", url, "--json", "-", "-R", "100", "-d", "60s", "--timeout", "300ms")
    document = outcome.document
    assert outcome.code == ExitCode.INVALID_MEASUREMENT
    assert document["window_s"] == 0
    (reason,) = document["validity"]["reasons"]
    assert reason["code"] == "system.ramp"
    assert "none of 10 connections was established" in reason["text"]
    assert "nothing listens there" in reason["remedy"]
    # It was refused at once, so no answer was waited for.
    waited = re.search(r"established in ([\d.]+) s, so", reason["text"])
    assert waited is not None, reason["text"]
    assert float(waited[1]) < 5


IN_A_NETWORK_OF_ITS_OWN = """
import fcntl, json, socket, struct, subprocess, sys

with socket.socket() as any_socket:
    flags = struct.pack("16sH14x", b"lo", 0x1)
    fcntl.ioctl(any_socket, 0x8914, flags)  # SIOCSIFFLAGS, IFF_UP
listener = socket.create_server(("127.0.0.1", 0), backlog=0)
port = listener.getsockname()[1]
# The queue takes one more than its length; after that every connection request is lost.
filling = [socket.socket() for _ in range(2)]
for one in filling:
    one.setblocking(False)
    one.connect_ex(("127.0.0.1", port))
filling.pop().close()


def sent_again():
    names, values = [line.split() for line in open("/proc/net/netstat") if line.startswith("TcpExt")]
    return int(values[names.index("TCPSynRetrans")])


before = sent_again()
command = [sys.argv[1], "load", f"http://127.0.0.1:{port}/", "-q", "--json", "-", *sys.argv[2:]]
ended = subprocess.run(command, capture_output=True, text=True)
print(json.dumps({"document": json.loads(ended.stdout), "sent_again": sent_again() - before}))
"""


@pytest.mark.parametrize("driver", ["epoll", "io_uring"])
def test_every_connection_request_that_the_kernel_sent_again_is_counted(driver: str) -> None:
    unshare = shutil.which("unshare")
    if (
        unshare is None
        or subprocess.run([unshare, "-rn", "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("no network namespaces for this user")
    flags = ("-c", "8", "--hold", "8", "-R", "10", "-d", "1s", "--timeout", "1500ms", "--driver", driver)
    command = [unshare, "-rn", sys.executable, "-c", IN_A_NETWORK_OF_ITS_OWN, SEATRIAL, *flags]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    seen = json.loads(ended.stdout)
    document = seen["document"]
    assert document["errors"]["connect_timeout"] >= 16
    assert seen["sent_again"] >= 16
    assert document["connections"]["syn_retransmissions"] == seen["sent_again"]
