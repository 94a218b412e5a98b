"""``seatrial load`` against servers that misbehave: an honest count of each, no hang, no crash.

Every run asks for the same 60 requests over four connections, so what a document says can be held to whole numbers.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from tests.support import hostile
from tests.support.hostile import ANSWER, BODY, serving
from tests.support.load_contract import assert_counts_add_up, assert_driver
from tests.support.program import Outcome, run_seatrial

from seatrial.errors import ExitCode

RATE_PER_S = 100
WINDOW_S = 0.6
INTENDED = 60
CONNECTIONS = 4
FLAGS = ("-c", str(CONNECTIONS), "-R", str(RATE_PER_S), "-d", f"{WINDOW_S}s", "--timeout", "400ms")
HANG_S = 40.0

Target = Callable[[], AbstractContextManager[str]]


Load = Callable[..., Outcome]


@pytest.fixture(params=["epoll", "io_uring"])
def load(request: pytest.FixtureRequest) -> Load:
    """Whatever moves the bytes, the counts are the same."""
    return loading(request.param)


def loading(wanted: str) -> Load:
    """Return how to load with a driver."""

    def run(url: str, *flags: str) -> Outcome:
        driver = ("--driver", wanted)
        outcome = run_seatrial("load", url, *FLAGS, *driver, *flags, "--json", "-", limit_s=HANG_S)
        assert_driver(outcome.document, wanted)
        assert_counts_add_up(outcome.document)
        assert outcome.document["requests"]["intended"] == INTENDED
        valid = outcome.document["validity"]["state"] == "VALID"
        assert outcome.code == (ExitCode.PASS if valid else ExitCode.INVALID_MEASUREMENT)
        return outcome

    return run


def codes(document: dict[str, Any]) -> set[str]:
    return {reason["code"] for reason in document["validity"]["reasons"]}


@pytest.mark.parametrize("driver", ["epoll", "io_uring"])
@pytest.mark.parametrize(
    ("target", "error"),
    [(hostile.closed_port, "connect_refused"), (hostile.never_accepting, "connect_timeout")],
    ids=["a closed port", "a port that never accepts"],
)
def test_without_a_connection_no_window_is_run_and_the_attempts_are_counted(
    driver: str, target: Target, error: str
) -> None:
    with target() as url:
        outcome = run_seatrial("load", url, *FLAGS, "--driver", driver, "--json", "-", limit_s=HANG_S)
    document = outcome.document
    assert_counts_add_up(document)
    assert (document["window_s"], document["requests"]["intended"]) == (0, 0)
    assert set(document["errors"]) == {error}
    assert document["errors"][error] >= CONNECTIONS
    assert document["connections"]["active"]["established"] == document["connections"]["opened"] == 0
    assert codes(document) == {"system.ramp"}
    assert outcome.code == ExitCode.INVALID_MEASUREMENT


def test_a_port_that_takes_connections_and_never_answers_gives_timeouts(load: Load) -> None:
    with hostile.never_answering() as url:
        outcome = load(url)
    requests = outcome.document["requests"]
    assert requests["completed"] == 0
    assert requests["timed_out"] >= CONNECTIONS
    assert outcome.document["errors"] == {"timeout": requests["timed_out"]}
    assert outcome.document["service_time_us"]["min"] >= 300_000
    assert "system.no_answers" in codes(outcome.document)


BROKEN = {
    "garbage": (hostile.always(b"\x16\x03\x01\x00 this is no HTTP\r\n\r\n"), "protocol_head"),
    "another protocol": (hostile.always(b"SSH-2.0-OpenSSH_9.9\r\n"), "protocol_head"),
    "half a head, then the end": (hostile.once(b"HTTP/1.1 200 OK\r\nContent-"), "premature_close"),
    "half a head, then silence": (hostile.then_silence(b"HTTP/1.1 200 OK\r\nContent-"), "timeout"),
    "half a body, then silence": (hostile.then_silence(ANSWER[:-50]), "timeout"),
    "a reset before the answer": (hostile.then_reset(b""), "read_reset"),
    "a reset inside the answer": (hostile.then_reset(ANSWER[:-50]), "read_reset"),
    "an endless head": (hostile.endless_head, "protocol_head_too_large"),
    "a short body": (hostile.once(ANSWER[:-1]), "premature_close"),
    "a long body": (hostile.always(ANSWER + b"x"), "protocol_excess"),
    "two answers to one request": (hostile.always(ANSWER * 2), "protocol_excess"),
    "a Content-Length of words": (
        hostile.always(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"), "protocol_content_length",
    ),
    "two Content-Lengths": (
        hostile.always(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
        "protocol_content_length",
    ),
    "a broken chunk": (
        hostile.always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "protocol_chunk",
    ),
    "chunks without an end": (
        hostile.once(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"), "premature_close",
    ),
    "informational answers without an end": (
        hostile.endless(b"HTTP/1.1 100 Continue\r\n\r\n"), "protocol_informational",
    ),
    "single bytes in chunks without an end": (
        hostile.endless(b"1\r\nx\r\n", after=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        "protocol_chunk_overhead",
    ),
    "a switch of protocols": (
        hostile.always(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), "protocol_head",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("behaviour", "error"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_answer_is_counted_by_its_kind(load: Load, behaviour: hostile.Behaviour, error: str) -> None:
    with serving(behaviour) as url:
        outcome = load(url)
    document = outcome.document
    requests = document["requests"]
    # What one connection fails, another tries: all fail in the same way, and none is taken for an answer.
    assert requests["completed"] == 0
    assert set(document["errors"]) == {error}
    lost = requests["timed_out"] if error == "timeout" else requests["failed"]
    assert document["errors"][error] == lost >= CONNECTIONS
    assert document["connections"]["reconnected"] >= 1
    assert outcome.code == ExitCode.INVALID_MEASUREMENT
    assert codes(document) & {"system.errors", "system.no_answers"}


@pytest.mark.parametrize("driver", ["epoll", "io_uring"])
def test_connections_that_are_closed_at_once_are_no_answers_and_no_crash(driver: str) -> None:
    with serving(hostile.closing_unasked) as url:
        outcome = run_seatrial("load", url, *FLAGS, "--driver", driver, "--json", "-", limit_s=HANG_S)
    document = outcome.document
    assert_driver(document, driver)
    assert_counts_add_up(document)
    # Where all are closed again before the client looks whether it has them, it has none, and runs no window.
    ran = document["requests"]["intended"] > 0
    assert document["requests"]["intended"] == (INTENDED if ran else 0)
    assert ran or codes(document) == {"system.ramp"}
    assert document["requests"]["completed"] == 0
    assert document["connections"]["opened"] >= CONNECTIONS
    assert set(document["errors"]) <= {"premature_close", "read_reset", "write_failed"}
    if ran:
        assert sum(document["errors"].values()) == document["requests"]["failed"]
    assert outcome.code == ExitCode.INVALID_MEASUREMENT


CLOSING = ANSWER.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


@pytest.mark.parametrize(
    "answer",
    [CLOSING, b"HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\n" + BODY, b"HTTP/1.1 200 OK\r\n\r\n" + BODY],
    ids=["announced", "HTTP/1.0", "as the end of the body"],
)
def test_a_server_that_closes_after_each_answer_costs_connections_and_no_error(
    load: Load, answer: bytes
) -> None:
    with serving(hostile.once(answer)) as url:
        document = load(url).document
    assert document["requests"]["completed"] == INTENDED
    assert document["errors"] == {}
    # Each answer but the last of each connection is followed by a new one.
    assert INTENDED - CONNECTIONS <= document["connections"]["reconnected"] <= INTENDED
    assert document["connections"]["opened"] == document["connections"]["reconnected"] + CONNECTIONS


@pytest.mark.parametrize("pieces", [(CLOSING + b"more", b""), (CLOSING, b"more")], ids=["at once", "apart"])
def test_what_follows_the_last_answer_of_a_connection_is_nothing(
    load: Load, pieces: tuple[bytes, bytes]
) -> None:
    """Whether it is seen would be chance: the connection is closed with the answer."""
    with serving(hostile.in_pieces(*pieces)) as url:
        document = load(url).document
    assert document["status"] == {"200": INTENDED}
    assert document["errors"] == {}
    assert document["connections"]["reconnected"] >= INTENDED - CONNECTIONS


def test_a_server_that_closes_without_a_word_costs_connections_and_no_error(load: Load) -> None:
    with serving(hostile.once(ANSWER)) as url:
        document = load(url).document
    assert document["requests"]["completed"] == INTENDED
    assert document["errors"] == {}
    assert document["connections"]["reconnected"] >= INTENDED - CONNECTIONS


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = {
    "chunked": (hostile.always(CHUNKED + b"3\r\nabc\r\n2;note=1\r\nde\r\n0\r\nTrailer: x\r\n\r\n"), "200"),
    "chunked, in pieces": (hostile.in_pieces(CHUNKED, b"3", b"\r\nab", b"c\r", b"\n0\r\n", b"\r\n"), "200"),
    "a head in pieces": (hostile.in_pieces(*(bytes([byte]) for byte in ANSWER[:-100]), BODY), "200"),
    "an interim answer first": (
        hostile.always(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ANSWER),
        "200",
    ),
    "an interim answer apart": (hostile.in_pieces(b"HTTP/1.1 100 Continue\r\n\r\n", ANSWER), "200"),
    "204": (hostile.always(b"HTTP/1.1 204 No Content\r\n\r\n"), "204"),
    "304 with a length": (hostile.always(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), "304"),
    "compressed": (
        hostile.always(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
            % len(gzip.compress(BODY, mtime=0))
            + gzip.compress(BODY, mtime=0)
        ),
        "200",
    ),
    "an unknown status": (hostile.always(ANSWER.replace(b"200 OK", b"299 Whatever")), "299"),
    "a status of no class": (hostile.always(ANSWER.replace(b"200 OK", b"777 Jackpot")), "777"),
    "the last status of all": (hostile.always(ANSWER.replace(b"200 OK", b"999 Request denied")), "999"),
    "a field that goes on in the next line": (
        hostile.always(ANSWER.replace(b"Content-Length:", b"X-Folded: a\r\n b\r\nContent-Length:\r\n\t")),
        "200",
    ),
    "identity, which is no coding": (
        hostile.always(ANSWER.replace(b"Content-Length", b"Transfer-Encoding: identity\r\nContent-Length")),
        "200",
    ),
    "500": (hostile.always(ANSWER.replace(b"200 OK", b"500 Internal Server Error")), "500"),
    "404 without a reason": (hostile.always(ANSWER.replace(b"200 OK", b"404 ")), "404"),
}


@pytest.mark.parametrize(("behaviour", "status"), WHOLE.values(), ids=WHOLE.keys())
def test_an_answer_that_is_whole_is_counted_by_its_status(behaviour: hostile.Behaviour, status: str) -> None:
    with serving(behaviour) as url:
        document = loading("epoll")(url).document
    assert document["status"] == {status: INTENDED}
    assert document["errors"] == {}
    assert document["connections"]["opened"] == CONNECTIONS
    assert document["connections"]["reconnected"] == 0


def test_an_answer_to_head_has_no_body_whatever_its_length_says() -> None:
    with serving(hostile.always(ANSWER[:-100])) as url:
        document = loading("epoll")(url, "--method", "HEAD").document
    assert document["requests"]["completed"] == INTENDED
    assert document["connections"]["opened"] == CONNECTIONS
    assert document["errors"] == {}


def test_a_server_that_fails_now_and_then_has_each_outcome_counted(load: Load) -> None:
    """Every third connection's answer is cut: the rest of the requests are not touched by it."""
    turns = iter(range(10_000))

    def behave(connection: Any) -> None:
        while hostile.asked(connection):
            if next(turns) % 3 == 2:
                connection.sendall(ANSWER[:-1])
                return
            connection.sendall(ANSWER)

    with serving(behave) as url:
        document = load(url).document
    requests = document["requests"]
    assert requests["failed"] == document["errors"]["premature_close"] == pytest.approx(INTENDED / 3, abs=3)
    assert document["status"] == {"200": requests["completed"]}
    assert requests["completed"] + requests["failed"] == INTENDED
    assert "system.errors" in codes(document)
