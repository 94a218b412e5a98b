"""What a load sends: counted by what the socket took, and no longer than the server wants it."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.load_contract import assert_counts_add_up, assert_driver
from tests.support.program import run_seatrial, wait_until
from tests.support.tls_server import issue, tcp_server

BODY_BYTES = 8_000_000
"""More than a sender's socket holds (4 MiB by default), so that a server that does not read holds a request up."""
BUFFER_BYTES = 65_536
"""And little is held by the receiver's."""
END_LIMIT_S = 20.0
PIECE_BYTES = 65_536

Serve = Callable[[socket.socket, threading.Event], None]


@pytest.fixture(params=["epoll", "io_uring"])
def driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def load(url: str, driver: str, *flags: str) -> dict[str, Any]:
    outcome = run_seatrial("load", url, "-q", "--json", "-", "--driver", driver, *flags, limit_s=40.0)
    document = outcome.document
    assert_driver(document, driver)
    assert_counts_add_up(document)
    return document


def upload(url: str, body: Path, driver: str, *flags: str) -> dict[str, Any]:
    return load(url, driver, "--method", "PUT", "--body", f"@{body}", *flags)


@pytest.fixture
def body(tmp_path: Path) -> Path:
    path = tmp_path / "body"
    path.write_bytes(bytes(BODY_BYTES))
    return path


class Counted:
    """Counts what it reads, of connections whose end it has seen."""

    def __init__(self) -> None:
        self.bytes = 0
        self.begun = 0
        self.ended = 0
        self._lock = threading.Lock()

    def to_the_end(self, connection: socket.socket, already: int = 0) -> None:
        """Read until the client has ended the stream."""
        heard = already
        while piece := connection.recv(PIECE_BYTES):
            heard += len(piece)
        with self._lock:
            self.bytes += heard
            self.ended += 1

    def has_seen_every_end(self, opened: int) -> bool:
        """Return whether all have ended. One that the client has opened may still wait to be accepted."""
        return self.begun >= opened and self.begun == self.ended


def tls_context(directory: Path) -> ssl.SSLContext:
    pem = issue(directory, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem.cert, pem.key)
    return context


def insecure(scheme: str) -> list[str]:
    return ["--insecure"] if scheme == "https" else []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_bytes_sent_are_those_that_the_socket_took(
    driver: str, scheme: str, body: Path, tmp_path: Path
) -> None:
    """Nobody reads while the load lasts, so every request times out half written; then all that was sent is read."""
    counted = Counted()
    load_is_over = threading.Event()
    context = tls_context(tmp_path)

    def serve(connection: socket.socket) -> None:
        counted.begun += 1
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        stream = context.wrap_socket(connection, server_side=True) if scheme == "https" else connection
        with stream:
            load_is_over.wait(END_LIMIT_S)
            counted.to_the_end(stream)

    with tcp_server(serve) as port:
        document = upload(
            f"{scheme}://127.0.0.1:{port}/", body, driver, "-c", "2", "-R", "10", "-d", "400ms",
            "--timeout", "250ms", *insecure(scheme),
        )  # fmt: skip
        load_is_over.set()
        opened = document["connections"]["opened"]
        assert wait_until(lambda: counted.has_seen_every_end(opened), END_LIMIT_S)
    requests = document["requests"]
    assert requests["timed_out"] >= 2
    assert requests["completed"] == 0
    # What the kernel held back when its connection was closed is sent all the same.
    assert document["bytes"]["sent"] == counted.bytes
    assert 0 < document["bytes"]["sent"] < requests["sent"] * BODY_BYTES


REFUSAL = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!"


def refuse_and_close(connection: socket.socket, _: threading.Event) -> None:
    """Read the beginning, answer, and close with the rest unread: the kernel resets the connection."""
    connection.recv(1_000)
    connection.sendall(REFUSAL)


def refuse_and_stay(connection: socket.socket, load_is_over: threading.Event) -> None:
    """Answer at once, and leave it to the client whether to wait until the rest is wanted."""
    connection.recv(1_000)
    connection.sendall(REFUSAL)
    load_is_over.wait(END_LIMIT_S)


def refuse_and_say_goodbye(connection: socket.socket, _: threading.Event) -> None:
    """Answer, end this side of the connection in order, and only then close with the rest unread."""
    connection.recv(1_000)
    connection.sendall(REFUSAL)
    connection.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize(
    ("scheme", "serve"),
    [
        ("http", refuse_and_close),
        ("http", refuse_and_stay),
        ("http", refuse_and_say_goodbye),
        ("https", refuse_and_close),
    ],
)
def test_an_answer_that_comes_early_is_the_answer(
    driver: str, scheme: str, serve: Serve, body: Path, tmp_path: Path
) -> None:
    context = tls_context(tmp_path)
    load_is_over = threading.Event()

    def refuse(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        if scheme == "http":
            return serve(connection, load_is_over)
        with context.wrap_socket(connection, server_side=True) as stream:
            return serve(stream, load_is_over)

    with tcp_server(refuse) as port:
        document = upload(
            f"{scheme}://127.0.0.1:{port}/", body, driver, "-c", "4", "-R", "50", "-d", "500ms",
            "--timeout", "5s", *insecure(scheme),
        )  # fmt: skip
        load_is_over.set()
    if scheme == "https":
        # Where the machine is busy some answers are overtaken by the reset that follows them.
        assert 1 <= document["status"].pop("413") <= 25
        assert document["status"] == {}
        return
    assert document["status"] == {"413": 25}
    assert document["errors"] == {}
    # Each connection was good for one request, and not for its rest. The last may still be opened again at the end.
    assert 21 <= document["connections"]["reconnected"] <= 25
    assert document["bytes"]["sent"] < 25 * BODY_BYTES


def test_a_request_that_says_close_is_the_last_of_its_connection(driver: str) -> None:
    """RFC 9112 section 9.6, though the server goes on as if nothing had been said."""
    asked: list[int] = []

    def serve(connection: socket.socket) -> None:
        heads = 0
        received = b""
        while piece := connection.recv(PIECE_BYTES):
            received += piece
            assert re.search(rb"(?i)\r\nconnection: te, close\r\n", received)
            while b"\r\n\r\n" in received:
                received = received.partition(b"\r\n\r\n")[2]
                heads += 1
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        asked.append(heads)

    with tcp_server(serve) as port:
        document = load(
            f"http://127.0.0.1:{port}/", driver, "-c", "4", "-R", "200", "-d", "500ms",
            "-H", "Connection: TE, close",
        )  # fmt: skip
    assert document["status"] == {"200": 100}
    assert document["errors"] == {}
    # The last connections were opened and had nothing to carry any more.
    assert 96 <= document["connections"]["reconnected"] <= 100
    assert sum(asked) == 100
    assert set(asked) <= {0, 1}
