"""The probe as the program that a pod runs: what servers of the test were asked, and what it says of them."""

from __future__ import annotations

import base64
import json
import os
import resource
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.leading import SERVICES, A, B, Proxy, serving
from tests.support.program import wait_until
from tests.support.tls_server import issue, tls_server

from seatrial import _boot
from seatrial.machine.address import Address
from seatrial.probe.question import Answer, Dead, Question, Wanted, numbers_of, ranges_of
from seatrial.systems.certificate import Certificate

LINE_BYTES = 8_192
CLOSED_LIMIT_S = 10.0


def said(*commands: dict[str, Any] | str) -> list[dict[str, Any]]:
    """Run the program as a pod does, with these lines on its stdin; return the messages, numbered as they should be."""
    lines = [one if isinstance(one, str) else json.dumps(one) for one in commands]
    process = subprocess.Popen(
        _boot.argv("probe"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    found: list[dict[str, Any]] = []
    with process:
        process.stdin.write("\n".join(lines) + "\n")
        process.stdin.flush()
        # Its stdin stays open until the last is answered, as a pod's does.
        wanted = {one["id"] for one in commands if isinstance(one, dict) and "id" in one}
        while wanted and (line := process.stdout.readline()):
            assert len(line) <= LINE_BYTES
            found.append(json.loads(line))
            if found[-1]["type"] not in {"hello", "asking", "part"}:
                wanted.discard(found[-1]["id"])
        process.stdin.close()
        # That it is still asking may be said once more beside the answer.
        assert {json.loads(line)["type"] for line in process.stdout} <= {"asking"}
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 0
    assert [one.pop("line") for one in found] == list(range(len(found)))
    assert found[0]["type"] == "hello"
    return found[1:]


def question(routes: tuple[Wanted, ...], *proxies: Proxy, **changes: Any) -> Question:
    given = {"asked": tuple(range(len(routes) * len(proxies))), "status": 200, **changes}
    return Question(routes, tuple(proxy.address for proxy in proxies), SERVICES, **given)


def proved(asked: Question, number: int = 0) -> tuple[dict[str, Any], Answer]:
    """Return the last message, and the answer that all are together."""
    messages = said({"cmd": "prove", "id": number, **asked.document()})
    dead = numbers_of(one for message in messages for one in message.get("ranges", ()))
    named = tuple(Dead(*one) for message in messages for one in message.get("named", ()))
    return messages[-1], Answer(dead, messages[-1]["elsewhere"], named)


def test_what_is_dead_and_what_another_answered_is_named_each_once() -> None:
    routes = tuple(Wanted(host, "/p", 0) for host in ("well", "dead", "elsewhere", "strange", "nobody"))
    leads: dict[str, str | int] = {
        "well": A, "dead": 503, "elsewhere": B, "strange": "10.9.9.9:80", "nobody": "",
    }  # fmt: skip
    one, two = Proxy(leads), Proxy({}, otherwise=A)
    with serving(one, two):
        last, answer = proved(question(routes, one, two))
    assert last == {"type": "proved", "id": 0, "asked": 10, "dead": 4, "elsewhere": 3}
    assert answer.dead == (1, 2, 3, 4)
    assert [dead.what for dead in answer.named] == [
        "answered 503 in place of 200",
        f"was answered by b at {B} in place of a",
        "was answered by 10.9.9.9:80, which is of no service in place of a",
        "was answered by no endpoint of a",
    ]
    assert [dead.is_answered for dead in answer.named] == [False, True, True, True]
    for proxy in (one, two):
        assert sorted(proxy.asked) == sorted((route.host, "/p") for route in routes)
        assert 1 <= proxy.connections <= len(routes)


def test_its_connections_are_closed_when_it_has_answered() -> None:
    routes, proxy = tuple(Wanted(f"r{number}", "/", 0) for number in range(100)), Proxy({}, otherwise=A)
    with serving(proxy):
        _, answer = proved(question(routes, proxy))
        assert answer.dead == ()
        assert (len(proxy.asked), proxy.connections) == (100, 16)
        deadline_s = time.monotonic() + CLOSED_LIMIT_S
        while proxy.open and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert proxy.open == 0


def test_of_many_dead_ones_all_are_known_and_some_are_named_in_short_lines() -> None:
    routes = tuple(Wanted(f"r{number}", "/", 0) for number in range(3_000))
    proxy = Proxy({f"r{number}": A for number in range(0, 3_000, 2)})
    with serving(proxy):
        last, answer = proved(question(routes, proxy))
    assert last["dead"] == 1_500
    assert answer.dead == tuple(range(1, 3_000, 2))
    assert [one.pair for one in answer.named] == list(range(1, 200, 2))


def test_only_the_pairs_that_are_asked_are() -> None:
    routes = tuple(Wanted(f"r{number}", "/", 0) for number in range(4))
    one, two = Proxy({}), Proxy({})
    with serving(one, two):
        _, answer = proved(question(routes, one, two, asked=(1, 6, 7)))
    assert answer.dead == (1, 6, 7)
    assert (one.asked, sorted(two.asked)) == ([("r1", "/")], [("r2", "/"), ("r3", "/")])


def test_where_nobody_listens_there_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address(*listener.getsockname())
    nobody = Proxy({})
    nobody.address = address
    _, answer = proved(question((Wanted("r", "/", 0),), nobody))
    assert answer.named[0].what == "gave no answer ([Errno 111] Connection refused)"


@pytest.mark.parametrize(
    ("server_name", "what"), [("in.example.com", None), ("other.example.com", "Hostname mismatch")]
)
def test_it_asks_over_tls_and_trusts_the_given_authority_only(
    tmp_path: Path, server_name: str, what: str | None
) -> None:
    certificate = Certificate.issue(tmp_path, ("in.example.com",))
    proxy, asked = Proxy({}, otherwise=A), (Wanted("r", "/", 0),)
    with serving(proxy, certificate=certificate):
        pem = certificate.ca.read_text()
        _, answer = proved(question(asked, proxy, ca_pem=pem, server_name=server_name))
        shown = said(
            {"cmd": "certificate", "id": 5, "endpoint": ["127.0.0.1", proxy.address.port], "ca_pem": pem}
        )
    assert len(answer.dead) == (what is not None)
    assert len(proxy.asked) == (what is None)
    if what is not None:
        assert what in answer.named[0].what
    assert base64.b64decode(shown[-1]["der"]) == ssl.PEM_cert_to_DER_cert(certificate.cert.read_text())


def test_a_certificate_is_asked_for_by_the_name_that_it_is_shown_to(tmp_path: Path) -> None:
    pem = issue(tmp_path, "in.example.com")
    with tls_server(pem) as server:
        of = {"cmd": "certificate", "endpoint": ["127.0.0.1", server.port], "ca_pem": pem.ca.read_text()}
        said({**of, "id": 0, "server_name": "in.example.com"}, {**of, "id": 1, "server_name": None})
        # Each handshake is noted once the server has done its part of it.
        assert wait_until(lambda: len(server.seen.names) == 2, CLOSED_LIMIT_S)
    # An address is none that a client may ask for.
    assert server.seen.names == ["in.example.com", None]


def test_a_question_that_is_said_again_or_in_part_is_answered_once() -> None:
    proxy = Proxy({}, otherwise=A)
    with serving(proxy):
        command = {"cmd": "prove", "id": 3, **question((Wanted("r", "/", 0),), proxy).document()}
        messages = said(json.dumps(command)[:40], command, command)
    assert [one["type"] for one in messages if one["type"] != "asking"] == ["proved"]
    assert len(proxy.asked) == 1


def test_what_cannot_be_answered_is_said() -> None:
    proxy = Proxy({})
    with serving(proxy):
        asked = question((Wanted("r", "/", 0),), proxy, ca_pem="no certificate").document()
        (last,) = [one for one in said({"cmd": "prove", "id": 0, **asked}) if one["type"] != "asking"]
    assert last["type"] == "failed"
    assert "SSLError" in last["what"]


def test_its_facts_are_the_kernels() -> None:
    names = ["net.core.somaxconn", "net.ipv4.ip_local_port_range", "no.such"]
    (facts,) = [one for one in said({"cmd": "facts", "id": 0, "settings": names}) if one["type"] == "facts"]
    ports = [int(word) for word in Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()]
    somaxconn = int(Path("/proc/sys/net/core/somaxconn").read_text())
    assert facts["settings"] == {names[0]: [somaxconn], names[1]: ports, "no.such": None}
    assert [facts["machine"]["port_low"], facts["machine"]["port_high"]] == ports
    assert facts["machine"]["nofile_hard"] == resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert facts["kernel"] == os.uname().release
    assert facts["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_ranges_are_the_numbers() -> None:
    for numbers in ((), (0,), (1, 2, 3, 7, 9, 10)):
        assert numbers_of(ranges_of(numbers)) == numbers
    assert ranges_of((1, 2, 3, 7, 9, 10)) == [[1, 4], [7, 8], [9, 11]]
