"""Where a load connects to: several addresses and ports in turns, and only connections that last."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from tests.support.hostile import ANSWER, always, asked, serving
from tests.support.program import run_seatrial

from seatrial.errors import ExitCode


def test_connections_are_dealt_to_several_targets_in_turns() -> None:
    hosts: dict[str, list[int]] = {"first": [], "second": []}

    def counting(name: str) -> Callable[[socket.socket], None]:
        def behave(connection: socket.socket) -> None:
            hosts[name].append(0)
            number = len(hosts[name]) - 1
            while asked(connection):
                hosts[name][number] += 1
                connection.sendall(ANSWER)

        return behave

    with serving(counting("first")) as first, serving(counting("second")) as second:
        targets = ",".join(urlsplit(url).netloc for url in (first, second))
        outcome = run_seatrial(
            "load",
            "-q",
            "-c6",
            "-R200",
            "-d1s",
            "--json",
            "-",
            "--target",
            targets,
            "http://route.example.com:1/",
        )
    document = json.loads(outcome.stdout)
    assert document["status"] == {"200": 200}, document["errors"]
    assert [len(seen) for seen in hosts.values()] == [3, 3]
    assert sum(hosts["first"]) + sum(hosts["second"]) == 200


def test_connections_that_do_not_last_are_not_measured_with() -> None:
    """Each is closed after a tenth of a second, so that none is stable for 1.5, though the machine takes most of it."""

    def short_lived(connection: socket.socket) -> None:
        connection.settimeout(0.1)
        try:
            while asked(connection):
                connection.sendall(ANSWER)
        except TimeoutError:
            connection.close()

    with serving(short_lived) as url:
        outcome = run_seatrial(
            "load", "-q", "-c4", "-R100", "-d1s", "--json", "-", "--stable-for", "1500ms", url
        )
    assert outcome.code == ExitCode.INVALID_MEASUREMENT, outcome
    reasons = json.loads(outcome.stdout)["validity"]["reasons"]
    assert "system.unstable" in [reason["code"] for reason in reasons]


def test_connections_that_last_are_measured_with() -> None:
    with serving(always(ANSWER)) as url:
        outcome = run_seatrial(
            "load", "-q", "-c4", "-R100", "-d1s", "--json", "-", "--stable-for", "500ms", url
        )
    assert json.loads(outcome.stdout)["requests"]["completed"] == 100


def test_an_address_that_is_none_is_refused_in_words() -> None:
    for words in ("", "127.0.0.1:99999", "http://127.0.0.1/"):
        outcome = run_seatrial(
            "load", "-q", "-c1", "-R1", "--target", f"127.0.0.1:1,{words}", "http://127.0.0.1/"
        )
        assert outcome.code == ExitCode.BAD_INPUT, outcome
        assert "write it as HOST or HOST:PORT" in outcome.stderr
