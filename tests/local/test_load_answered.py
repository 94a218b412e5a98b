"""What was answered in the window, against a server that keeps the time of each of its answers."""

from __future__ import annotations

import asyncio
import contextlib
import socketserver
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Thread

import pytest
from tests.support.program import run_seatrial, running_origin

from seatrial.analysis.load.result import LoadResult
from seatrial.analysis.load.window import window_of
from seatrial.errors import ExitCode
from seatrial.run.load import LoadHooks, run_load
from seatrial.workload.profile import constant
from seatrial.workload.spec import LoadSpec, Target

CAPACITY_PER_S = 50


class OneAtATime(socketserver.ThreadingTCPServer):
    """A server that answers one request after another, and writes down when."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.answered_ns: list[int] = []
        self.turn = Lock()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.socket.getsockname()[1])

    def answered_in(self, from_ns: int, length_s: float) -> int:
        return sum(from_ns <= at_ns < from_ns + length_s * 1e9 for at_ns in self.answered_ns)


class _Connection(socketserver.StreamRequestHandler):
    server: OneAtATime

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            while line := self.rfile.readline():
                if line != b"\r\n":
                    continue
                with self.server.turn:
                    time.sleep(1 / CAPACITY_PER_S)
                    self.server.answered_ns.append(time.monotonic_ns())
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@contextmanager
def one_at_a_time() -> Iterator[OneAtATime]:
    with OneAtATime() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def overload(server: OneAtATime, warmup_s: float, arrival: str) -> tuple[LoadResult, int]:
    """Ask for three times what the server can do; return the result and the server's own count of the window."""
    spec = LoadSpec(
        targets=(Target("127.0.0.1", server.port),),
        active=2,
        profile=constant(3 * CAPACITY_PER_S),
        arrival="poisson" if arrival == "poisson" else "uniform",
        warmup_s=warmup_s,
        measure_s=2.0,
        drain_s=0.5,
    )
    run = asyncio.run(run_load(spec, LoadHooks()))
    return run.result(), server.answered_in(window_of(run.account, run.frames).start_ns, 2.0)


@pytest.mark.parametrize(("warmup_s", "arrival"), [(0.0, "uniform"), (1.0, "poisson"), (2.0, "uniform")])
def test_what_an_overloaded_server_sustained_is_what_it_counts_itself(warmup_s: float, arrival: str) -> None:
    with one_at_a_time() as server:
        result, counted = overload(server, warmup_s, arrival)
    assert counted > CAPACITY_PER_S
    # An answer that was written just before the window's edge may arrive just after it.
    assert result.answers.in_window == pytest.approx(counted, abs=2)
    assert result.rate_per_s.achieved == pytest.approx(counted / 2.0, abs=1)
    if warmup_s == 2.0:
        # Its backlog takes up the whole window.
        assert result.answers.to_warmup == result.answers.in_window


def test_a_load_opens_with_what_was_asked_and_what_came() -> None:
    with running_origin("--capacity", "50") as origin:
        outcome = run_seatrial(
            "load", origin.url, "-q", "-c2", "-R200", "-d2s", "--timeout", "1s", "--json", "-"
        )
        text = run_seatrial("load", origin.url, "-q", "-c2", "-R200", "-d1s", "--timeout", "1s").stdout
    asked = outcome.document["findings"][0]
    assert asked.startswith("200/s asked, ")
    assert "requests found no free connection" in asked
    validity, opening = text.split("\n\n")[1:3]
    assert validity.startswith(("VALID", "INVALID"))
    assert opening.startswith("200/s asked, ")


def test_answers_that_nobody_expected_are_said_and_fail_where_something_was_expected() -> None:
    with running_origin("--status", "500") as origin:
        flags = ("load", origin.url, "-q", "-c2", "-R100", "-d1s", "--json", "-")
        silent, expecting = run_seatrial(*flags), run_seatrial(*flags, "--expect-status", "200")
        asked_for = run_seatrial(*flags, "--expect-status", "500")
    for outcome, code, findings in (
        (silent, ExitCode.PASS, ["all 100 answers were 500"]),
        (expecting, ExitCode.OBJECTIVE_FAILED, ["all 100 answers were 500, 200 was expected"]),
        (asked_for, ExitCode.PASS, []),
    ):
        is_valid = outcome.document["validity"]["state"] == "VALID"
        assert outcome.code == (code if is_valid else ExitCode.INVALID_MEASUREMENT)
        # On a machine that stands still an answer may come after the window.
        assert outcome.document["findings"] == findings or not is_valid
