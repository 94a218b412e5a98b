"""What a URL and its flags make of a request, as a server of ours reads it."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from tests.support.hostile import asked, serving
from tests.support.program import Outcome, run_seatrial

from seatrial.errors import ExitCode

TWICE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: first=1\r\nset-cookie: second=2\r\n\r\n"


def one_request(*flags: str, path: str = "/", user: str = "") -> tuple[str, Outcome]:
    """Send one request and return its head, and what the program said."""
    heads: list[bytes] = []

    def behave(connection: socket.socket) -> None:
        while head := asked(connection):
            heads.append(head)
            connection.sendall(TWICE)

    with serving(behave) as url:
        address = urlsplit(url).netloc.replace("127.0.0.1", "localhost")
        outcome = run_seatrial(
            "load",
            f"http://{user}{address}{path}",
            "-q",
            "--json",
            "-",
            "-R",
            "1",
            "-c",
            "1",
            "-d",
            "1",
            *flags,
        )
    # 1 is for an answer that was not as expected.
    assert outcome.code in {ExitCode.PASS, ExitCode.INVALID_MEASUREMENT, ExitCode.OBJECTIVE_FAILED}, outcome
    (head,) = heads
    assert outcome.document["url"] == f"http://{address}{path}"
    return head.decode().replace(address, "HOST"), outcome


def test_a_request_is_what_the_url_says() -> None:
    head, _ = one_request(path="/a?", user="me:secret@")
    assert head == "GET /a? HTTP/1.1\r\nHost: HOST\r\nAuthorization: Basic bWU6c2VjcmV0\r\n\r\n"


def test_a_post_without_a_body_says_so() -> None:
    head, _ = one_request("--method", "POST")
    assert head == "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n"


def test_any_of_several_fields_may_be_the_expected_one() -> None:
    for value, unexpected in (("first=1", 0), ("second=2", 0), ("third=3", 1)):
        _, outcome = one_request("--expect-header", f"Set-Cookie: {value}")
        assert sum(outcome.document["unexpected"]["counts"].values()) == unexpected, outcome.document


def test_port_0_is_refused_before_anything_is_sent() -> None:
    outcome = run_seatrial("load", "-q", "-R", "1", "http://127.0.0.1:0/")
    assert outcome.code == ExitCode.BAD_INPUT
    assert "port 0" in outcome.stderr
