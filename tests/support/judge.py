"""A server that knows the truth of a load: each exchange and every byte, on the clock that the load is timed with.

It shares no code with the engine. Each record is one request, in the order in which they were answered. The server's
send buffer is small, so that an answer has been written when the client has taken nearly all of it: a client that does
not read holds the server back, and the record shows it.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

SEND_BUFFER_BYTES = 128 * 1024
"""Four segments of loopback, in the kernel's doubled count: with fewer, the client's delayed acknowledgements (40 ms)
would hold the server back."""
READ_BYTES = 1 << 20
STOP_LIMIT_S = 20.0
SWITCH_S = 50e-6
"""A thread that has something to note waits this long for another's turn to end, not five milliseconds."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request's first byte, its last byte, and its answer's last byte written (CLOCK_MONOTONIC, ns)."""

    begun_ns: int
    asked_ns: int
    answered_ns: int


@dataclass(slots=True)
class Truth:
    """What the server saw: every answered request, and the bytes of HTTP in both directions."""

    exchanges: list[Exchange] = field(default_factory=list)
    bytes_received: int = 0
    bytes_sent: int = 0
    connections: int = 0

    def answered_between(self, from_ns: int, until_ns: int) -> int:
        """Count the answers that left in this time."""
        return sum(from_ns <= one.answered_ns < until_ns for one in self.exchanges)


@dataclass(slots=True)
class Judge:
    """A running server; ``truth`` is filled when it has been stopped."""

    url: str
    process: subprocess.Popen[str]
    truth: Truth = field(default_factory=Truth)

    def stop(self) -> Truth:
        """Stop it and read what it saw."""
        stdout, _ = self.process.communicate(timeout=STOP_LIMIT_S)
        seen = json.loads(stdout)
        exchanges = [Exchange(*one) for one in seen.pop("exchanges")]
        self.truth = Truth(exchanges, **seen)
        return self.truth


@contextmanager
def judging(*flags: str) -> Iterator[Judge]:
    """Run a server of its own for as long as the block lasts; ``flags`` are those of this file's command line."""
    process = subprocess.Popen(
        [sys.executable, __file__, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield Judge(process.stdout.readline().strip(), process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


class _Server:
    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._truth = Truth()
        self._lock = threading.Lock()
        self._free_s = 0.0
        ending = "Connection: close\r\n" if options.until_close else f"Content-Length: {options.answer}\r\n"
        head = f"HTTP/1.1 {options.status} Judged\r\n{ending}\r\n".encode()
        self._answer = head + bytes(options.answer)
        self._tls: ssl.SSLContext | None = None
        if options.cert:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(options.cert, options.key)

    def run(self) -> None:
        """Serve until stdin ends, then print the truth."""
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
            # Connections inherit it: it bounds what the kernel takes without the client's reading.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            scheme = "https" if self._tls else "http"
            _say(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/")
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
            sys.stdin.read()
        with self._lock:
            truth = self._truth
            exchanges = [(one.begun_ns, one.asked_ns, one.answered_ns) for one in truth.exchanges]
            seen = {
                "exchanges": exchanges,
                "bytes_received": truth.bytes_received,
                "bytes_sent": truth.bytes_sent,
                "connections": truth.connections,
            }
        _say(json.dumps(seen))
        # Threads that still wait for a client are daemons.
        os._exit(0)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._truth.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError), connection:
            if self._tls is None:
                return self._exchange_all(connection)
            with self._tls.wrap_socket(connection, server_side=True) as client:
                return self._exchange_all(client)

    def _exchange_all(self, connection: socket.socket) -> None:
        buffered = b""
        while True:
            begun_ns, buffered = self._head(connection, buffered)
            if not begun_ns:
                return
            head, _, buffered = buffered.partition(b"\r\n\r\n")
            self._read_body(connection, _content_length(head) - len(buffered))
            buffered = b""
            asked_ns = time.monotonic_ns()
            self._wait_for_capacity()
            self._send(connection)
            exchange = Exchange(begun_ns, asked_ns, time.monotonic_ns())
            with self._lock:
                self._truth.exchanges.append(exchange)
            if self._options.until_close:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
                return
            if self._options.reset_after and len(self._truth.exchanges) % self._options.reset_after == 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return

    def _head(self, connection: socket.socket, buffered: bytes) -> tuple[int, bytes]:
        begun_ns = time.monotonic_ns() if buffered else 0
        while b"\r\n\r\n" not in buffered:
            piece = self._receive(connection)
            begun_ns = begun_ns or time.monotonic_ns()
            if not piece:
                return 0, b""
            buffered += piece
        return begun_ns, buffered

    def _read_body(self, connection: socket.socket, missing: int) -> None:
        while missing > 0:
            piece = self._receive(connection)
            if not piece:
                raise ConnectionError("the client left")
            missing -= len(piece)

    def _receive(self, connection: socket.socket) -> bytes:
        piece = connection.recv(READ_BYTES)
        with self._lock:
            self._truth.bytes_received += len(piece)
        return piece

    def _send(self, connection: socket.socket) -> None:
        view = memoryview(self._answer)
        while view:
            sent = connection.send(view)
            with self._lock:
                self._truth.bytes_sent += sent
            view = view[sent:]

    def _wait_for_capacity(self) -> None:
        """Let ``capacity`` answers a second pass, one after another; each takes ``delay_ms`` besides."""
        until_s = time.monotonic() + self._options.delay_ms / 1e3
        if self._options.capacity:
            with self._lock:
                self._free_s = max(self._free_s, time.monotonic()) + 1 / self._options.capacity
                until_s = max(until_s, self._free_s)
        left_s = until_s - time.monotonic()
        if left_s > 0:
            time.sleep(left_s)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answer", type=int, default=600, help="bytes of an answer's body")
    parser.add_argument("--status", type=int, default=200)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--capacity", type=float, default=0.0, help="answers a second, one after another")
    parser.add_argument("--until-close", action="store_true", help="answers end with the connection")
    parser.add_argument("--reset-after", type=int, default=0, help="reset after every so many answers")
    parser.add_argument("--cert", type=Path)
    parser.add_argument("--key", type=Path)
    options = parser.parse_args()
    # A judge that waits for its turn on a busy core would take that wait for the client's.
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    sys.setswitchinterval(SWITCH_S)
    _Server(options).run()


if __name__ == "__main__":
    _main()
