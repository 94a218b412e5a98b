"""Idle connections as the server sees them: the program's own gauges are not asked."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from tests.support.program import Running, run_seatrial, running_origin, wait_until

from seatrial.errors import ExitCode
from seatrial.machine.sockets import count_established

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Server:
    """Accepts, answers whoever asks, and can close every connection that never asked."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        self._silent: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._silent.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while connection.recv(4096):
                    self._silent.discard(connection)
                    connection.sendall(ANSWER)
            except OSError:
                return

    def silent(self) -> int:
        """Return how many connections have never asked."""
        return len(self._silent)

    def drop_silent(self) -> int:
        dropped = list(self._silent)
        self._silent.clear()
        for connection in dropped:
            # The client may have been first.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        return len(dropped)

    def close(self) -> None:
        self.drop_silent()
        self._listener.close()


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.close()


@pytest.mark.parametrize(
    ("flags", "connections"),
    [(("-c", "0", "--hold", "50"), 50), (("-t", "3", "-c", "2", "-R", "20", "--hold", "30"), 32)],
    ids=["nothing but idle ones", "more workers than active ones"],
)
def test_idle_connections_are_there_until_the_window_ends(flags: tuple[str, ...], connections: int) -> None:
    with serving() as server, Running(
        "load", f"http://127.0.0.1:{server.port}/", "-q", "--json", "-", "-d", "3s", *flags
    ) as running:  # fmt: skip
        deadline_s = time.monotonic() + 20
        while count_established(server.port) < connections and time.monotonic() < deadline_s:
            time.sleep(0.02)
        # The window begins after this, so the connections must be there for at least as long. What is
        # counted later, where the machine does other things, too, says nothing.
        began_s = time.monotonic()
        while True:
            found = count_established(server.port)
            if time.monotonic() - began_s > 2.5:
                break
            assert found == connections
            time.sleep(0.1)
        document = running.wait(30).document
    held = document["connections"]["held"]
    assert held["established"] == held["requested"]
    assert sum(1 for one in document["intervals"] if one["held"] == held["requested"]) == len(
        document["intervals"]
    )


def test_losing_every_idle_connection_is_not_hidden_by_opening_them_again() -> None:
    with serving() as server, Running(
        "load", f"http://127.0.0.1:{server.port}/", "-q", "--json", "-", "-d", "4s", "-c", "2", "-R", "50",
        "--hold", "20", "--connect-rate", "10",
    ) as running:  # fmt: skip
        assert wait_until(lambda: count_established(server.port) == 22, 20.0)
        # The active two have asked: the window has begun.
        assert wait_until(lambda: server.silent() == 20, 20.0)
        assert server.drop_silent() == 20
        outcome = running.wait(30)
    document = outcome.document
    assert outcome.code == ExitCode.INVALID_MEASUREMENT
    assert "system.held_connections" in {reason["code"] for reason in document["validity"]["reasons"]}
    # They are opened again a tenth of a second apart, so only a few can be there while the others are being closed.
    assert document["connections"]["held"]["established"] <= 5
    assert document["connections"]["closed_by_peer"] == 20


def test_a_busy_loop_on_request_is_no_reason_for_doubt() -> None:
    with serving() as server:
        outcome = run_seatrial(
            "load", f"http://127.0.0.1:{server.port}/", "-q", "--json", "-", "-d", "1s", "-c", "2", "-R", "50",
            "--spin",
        )  # fmt: skip
    codes = {reason["code"] for reason in outcome.document["validity"]["reasons"]}
    assert outcome.document["generator"]["spin"]
    assert "generator.cpu" not in codes


def test_idle_connections_that_are_answered_badly_or_not_at_all_are_mentioned() -> None:
    with running_origin("--status", "500") as origin:
        flags = (
            "-c",
            "0",
            "--hold",
            "10",
            "--hold-traffic",
            "request:100ms",
            "-d",
            "1s",
            "-q",
            "--json",
            "-",
        )
        document = run_seatrial("load", origin.url, *flags).document
        served = origin.finish()["requests"]
    connections = document["connections"]
    answered, asked = connections["held_answers"], connections["held_requests"]
    assert set(answered) == {"5xx"}
    # The last request of each connection may still be under way.
    assert asked - 10 <= answered["5xx"] <= asked <= served
