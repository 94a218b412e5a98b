"""Servers that do what servers should not, one small function each, and some that do what few clients expect."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Behaviour = Callable[[socket.socket], None]
"""What becomes of one connection; when the function returns, it is closed."""

LINGER_NONE = struct.pack("ii", 1, 0)
BODY = b"x" * 100
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + BODY
STOP_LIMIT_S = 5.0


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    """Serve the behaviour on a port of its own, a thread for each connection, and yield its URL."""
    open_sockets: set[socket.socket] = set()
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        accepting = threading.Thread(target=_accept, args=(listener, behaviour, open_sockets, threads))
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            # Closing does not wake a thread that waits in accept(); this does.
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(STOP_LIMIT_S)
    for connection in list(open_sockets):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(STOP_LIMIT_S)
    assert not any(thread.is_alive() for thread in (accepting, *threads))


def _accept(
    listener: socket.socket,
    behaviour: Behaviour,
    open_sockets: set[socket.socket],
    threads: list[threading.Thread],
) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        open_sockets.add(connection)
        thread = threading.Thread(target=_behave, args=(connection, behaviour, open_sockets))
        threads.append(thread)
        thread.start()


def _behave(connection: socket.socket, behaviour: Behaviour, open_sockets: set[socket.socket]) -> None:
    with connection, suppress(OSError):
        behaviour(connection)
    open_sockets.discard(connection)


@contextmanager
def closed_port() -> Iterator[str]:
    """Yield the URL of a port on which nobody listens, and keep others from taking it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/"


@contextmanager
def never_accepting() -> Iterator[str]:
    """Yield the URL of a port whose queue is full: the kernel drops whoever asks for a connection."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        fillers = []
        for _ in range(8):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            for filler in fillers:
                filler.close()


@contextmanager
def never_answering() -> Iterator[str]:
    """Yield the URL of a port to which the kernel connects, and where nobody ever reads."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def asked(connection: socket.socket) -> bytes:
    """Read one request without a body and return it; nothing where the stream ended before."""
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        piece = connection.recv(4096)
        if not piece:
            return b""
        received += piece
    return received


def wait_for_end(connection: socket.socket) -> None:
    """Read until the client goes away."""
    while connection.recv(4096):
        pass


def always(answer: bytes) -> Behaviour:
    """Give the same answer to every request and keep the connection."""

    def behave(connection: socket.socket) -> None:
        while asked(connection):
            connection.sendall(answer)

    return behave


def in_pieces(*pieces: bytes) -> Behaviour:
    """Answer as ``always`` does, in several packets."""

    def behave(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while asked(connection):
            for piece in pieces:
                connection.sendall(piece)

    return behave


def once(answer: bytes) -> Behaviour:
    """Answer one request and close, in one segment: between two of them another request may be on its way."""

    def behave(connection: socket.socket) -> None:
        if asked(connection):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)

    return behave


def then_silence(beginning: bytes) -> Behaviour:
    """Begin to answer, and never go on."""

    def behave(connection: socket.socket) -> None:
        if asked(connection):
            connection.sendall(beginning)
            wait_for_end(connection)

    return behave


def then_reset(beginning: bytes) -> Behaviour:
    """Begin to answer, then break the connection off with a reset."""

    def behave(connection: socket.socket) -> None:
        if asked(connection):
            connection.sendall(beginning)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)

    return behave


def endless(piece: bytes, *, after: bytes = b"") -> Behaviour:
    """Answer with the same piece again and again, for ever."""

    def behave(connection: socket.socket) -> None:
        if asked(connection):
            connection.sendall(after)
            while True:
                connection.sendall(piece * 100)

    return behave


endless_head = endless(b"X-More: and more\r\n", after=b"HTTP/1.1 200 OK\r\n")


def closing_unasked(connection: socket.socket) -> None:
    """Close every connection as soon as it is open."""
