"""TLS with real sockets, against our own origin and against the standard library's server."""

from __future__ import annotations

import shutil
import socket
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.load_contract import assert_counts_add_up, assert_driver
from tests.support.program import Outcome, at_once, run_seatrial, running_origin
from tests.support.tls_server import Pem, issue, tcp_server, tls_server

import seatrial
from seatrial.errors import ExitCode, PlanError

VERSIONS = ("1.2", "1.3")
HANDSHAKE_S = 0.05


def load(url: str, *flags: str, seconds: float = 1.0) -> dict[str, Any]:
    """Run a load and return its document, whatever it is worth."""
    outcome = loaded(url, *flags, seconds=seconds)
    assert outcome.code in {ExitCode.PASS, ExitCode.INVALID_MEASUREMENT}, outcome.stderr
    document = outcome.document
    assert_counts_add_up(document)
    return document


def loaded(url: str, *flags: str, seconds: float = 1.0) -> Outcome:
    return run_seatrial("load", url, "-q", "--share-machine", "--json", "-", "-d", f"{seconds}s", *flags)


def assert_everything_answered(document: dict[str, Any]) -> None:
    requests = document["requests"]
    assert requests["completed"] == requests["intended"] > 0, document["errors"]
    assert document["errors"] == {}
    assert document["tls_handshake_us"]["count"] == document["tls"]["handshakes"]
    assert document["tls"]["handshakes"] == sum(document["tls"]["versions"].values())
    assert document["tls_handshake_us"]["min"] > 0


@pytest.mark.parametrize("driver", ["epoll", "io_uring"])
@pytest.mark.parametrize("version", VERSIONS)
def test_both_versions_against_our_own_origin(tmp_path: Path, version: str, driver: str) -> None:
    ca = tmp_path / "ca.pem"
    with running_origin("--tls-self-signed", str(ca), "--body", "100 KB") as origin:
        assert origin.url.startswith("https://")
        flags = (
            "--ca",
            str(ca),
            "--tls",
            version,
            "-R",
            "200",
            "-c",
            "10",
            "--hold",
            "20",
            "--driver",
            driver,
        )
        document = load(origin.url, *flags, "--method", "POST", "--body", "x" * 100_000)
        counts = origin.finish()
    assert_driver(document, driver)
    assert_everything_answered(document)
    assert document["url"].startswith("https://")
    assert document["tls"]["versions"] == {version: 30}
    assert document["bytes"]["received"] > 100_000 * document["requests"]["completed"]
    assert document["connections"]["held"]["established"] == 20
    # The origin saw what was sent through the encryption, no more and no less.
    assert counts["requests"] == document["requests"]["sent"]
    assert counts["errors"] == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_both_versions_against_another_implementation(tmp_path: Path, version: str) -> None:
    pem = issue(tmp_path, "127.0.0.1")
    with tls_server(pem) as server:
        document = load(server.url, "--ca", str(pem.ca), "--tls", version, "-R", "100", "-c", "5")
    assert_everything_answered(document)
    assert set(server.seen.versions) == {f"TLSv{version}"}
    assert document["tls"]["versions"] == {version: len(server.seen.versions)}


def test_plain_loads_have_no_word_on_tls() -> None:
    with running_origin() as origin:
        document = load(origin.url, "-R", "100", "-c", "2")
    assert (document["tls"], document["tls_handshake_us"]) == (None, None)


def test_a_certificate_that_is_not_to_be_trusted_is_refused_and_counted(tmp_path: Path) -> None:
    # Each waits until its ramp has come to no end.
    at_once(
        *(
            partial(refuse_what_is_not_to_be_trusted, tmp_path / why, why)
            for why in ("issuer", "name", "date")
        )
    )


def refuse_what_is_not_to_be_trusted(directory: Path, why: str) -> None:
    directory.mkdir()
    pem = issue(directory, "127.0.0.1", valid_for_s=-3600 if why == "date" else 3600)
    ca = issue(directory, "127.0.0.2").ca if why == "issuer" else pem.ca
    flags = ("--ca", str(ca), *(("--sni", "other.test") if why == "name" else ()))
    with tls_server(pem) as server:
        document = load(server.url, *flags, "-R", "20", "-c", "2", "--timeout", "2s", seconds=0.5)
        assert_everything_answered(load(server.url, "--insecure", "-R", "50", "-c", "2", seconds=0.5))
    assert set(document["errors"]) == {"tls_certificate"}
    assert document["requests"]["completed"] == document["tls"]["handshakes"] == 0
    assert document["validity"]["state"] == "INVALID"


def test_the_name_asked_for_is_another_matter_than_the_host(tmp_path: Path) -> None:
    pem = issue(tmp_path, "name.test")
    flags = ("--ca", str(pem.ca), "--sni", "name.test", "-H", "Host: host.test", "-R", "50", "-c", "3")
    with tls_server(pem) as server:
        assert_everything_answered(load(server.url, *flags))
    assert (set(server.seen.names), server.seen.hosts) == ({"name.test"}, {"host.test"})


def test_an_address_is_no_name_to_ask_for(tmp_path: Path) -> None:
    pem = issue(tmp_path, "127.0.0.1")
    with tls_server(pem) as server:
        assert_everything_answered(load(server.url, "--ca", str(pem.ca), "-R", "50", "-c", "2"))
    assert set(server.seen.names) == {None}


def test_protocols_are_offered_as_asked(tmp_path: Path) -> None:
    pem = issue(tmp_path, "127.0.0.1")
    cases = [((), "http/1.1"), (("--alpn", "http/1.0,http/1.1"), "http/1.0"), (("--alpn", ""), None)]
    for flags, agreed in cases:
        with tls_server(pem, protocols=("http/1.0", "http/1.1")) as server:
            assert_everything_answered(load(server.url, "--ca", str(pem.ca), "-R", "50", "-c", "2", *flags))
        assert set(server.seen.protocols) == {agreed}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_shows_its_certificate_where_one_is_required(tmp_path: Path, version: str) -> None:
    pem, client = issue(tmp_path, "127.0.0.1"), issue(tmp_path, "client.test")
    flags = ("--ca", str(pem.ca), "--tls", version, "-R", "50", "-c", "2", "--timeout", "500ms")
    with tls_server(pem, client_ca=client.ca) as server:
        shown = load(server.url, *flags, "--cert", str(client.cert), "--key", str(client.key))
        assert_everything_answered(shown)
        assert set(server.seen.clients) == {"client.test"}
    with tls_server(pem, client_ca=client.ca) as server:
        refused = load(server.url, *flags)
    assert refused["errors"].get("tls_handshake", 0) > 0
    assert refused["requests"]["completed"] == 0


def test_idle_connections_that_are_refused_after_the_handshake_rest(tmp_path: Path) -> None:
    """With TLS 1.3 a connection is established before the server refuses the certificate that is missing."""
    pem, client = issue(tmp_path, "127.0.0.1"), issue(tmp_path, "client.test")
    flags = ("--ca", str(pem.ca), "--tls", "1.3", "-R", "50", "-c", "1", "--timeout", "500ms")
    with tls_server(pem, client_ca=client.ca) as server:
        document = load(server.url, *flags, "--hold", "5", "--connect-rate", "500", seconds=2.0)
    connections = document["connections"]
    assert connections["held_lifetime_us"]["count"] > 0, connections
    # Without rests it would be hundreds a second; with them the five come again about once in each.
    assert document["tls"]["handshakes"] < 200, document["tls"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("resumes", [True, False])
def test_resumed_and_full_handshakes_are_counted_apart(
    tmp_path: Path, version: str, *, resumes: bool
) -> None:
    pem = issue(tmp_path, "127.0.0.1")
    flags = ("--ca", str(pem.ca), "--tls", version, "--closed", "-c", "2")
    with tls_server(pem, closes=True) as server:
        document = load(server.url, *flags, *(() if resumes else ("--no-resumption",)))
    tls = document["tls"]
    assert tls["handshakes"] > 20
    # Each request had a connection of its own, so the rate of handshakes is about that of requests.
    assert tls["handshakes_per_s"] == pytest.approx(document["rate_per_s"]["achieved"], rel=0.2)
    if resumes:
        # Both first connections have nothing to resume, and a ticket may come too late for the next one.
        assert tls["handshakes"] / 2 < tls["resumed"] <= tls["handshakes"] - 1
    else:
        assert tls["resumed"] == 0
    assert abs(sum(server.seen.resumed) - tls["resumed"]) <= 2


@pytest.mark.parametrize("resumes", [True, False])
def test_connections_that_are_renewed_by_plan_shake_hands_anew(tmp_path: Path, *, resumes: bool) -> None:
    ca = tmp_path / "ca.pem"
    with running_origin("--tls-self-signed", str(ca)) as origin:
        flags = ("--ca", str(ca), "-R", "200", "-c", "4", "--requests-per-connection", "5", "--timeout", "5s")
        document = load(origin.url, *flags, *(() if resumes else ("--no-resumption",)))
        counts = origin.finish()
    assert_everything_answered(document)
    assert document["tls"]["handshakes"] == document["connections"]["opened"] >= 200 / 5
    assert (document["tls"]["resumed"] > 200 / 5 / 2) == resumes
    # Every connection was closed in order: the origin has heard each goodbye.
    assert counts["errors"] == {}


@pytest.mark.parametrize("traffic", ["request:100ms", "slow-read:50ms:10", "slow-send:20ms"])
def test_idle_connections_keep_their_habits(tmp_path: Path, traffic: str) -> None:
    ca = tmp_path / "ca.pem"
    with running_origin("--tls-self-signed", str(ca)) as origin:
        flags = ("--ca", str(ca), "-R", "50", "-c", "1", "--hold", "10", "--hold-traffic", traffic)
        document = load(origin.url, *flags)
        counts = origin.finish()
    assert_everything_answered(document)
    assert document["connections"]["held"]["established"] == 10
    if traffic != "slow-send:20ms":
        assert counts["requests"] > document["requests"]["sent"]


def test_a_server_that_leaves_during_the_handshake_has_its_own_kind() -> None:
    def leave(connection: socket.socket) -> None:
        assert connection.recv(65536)[:1] == b"\x16"

    with tcp_server(leave) as port:
        document = load(
            f"https://127.0.0.1:{port}/", "--insecure", "-R", "20", "-c", "2", "--timeout", "300ms"
        )
    assert set(document["errors"]) == {"tls_handshake"}


def test_a_server_that_is_silent_during_the_handshake_times_out() -> None:
    def say_nothing(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    flags = ("--insecure", "-R", "20", "-c", "2", "--hold", "2", "--timeout", "200ms")
    with tcp_server(say_nothing) as port:
        document = load(f"https://127.0.0.1:{port}/", *flags, seconds=0.5)
    assert set(document["errors"]) == {"tls_timeout"}
    assert document["tls"]["versions"] == {}


def test_a_server_without_tls_fails_the_handshake() -> None:
    with running_origin() as origin:
        url = origin.url.replace("http://", "https://")
        document = load(url, "--insecure", "-R", "20", "-c", "2", "--timeout", "300ms", seconds=0.5)
    assert set(document["errors"]) == {"tls_handshake"}


def test_latency_holds_the_handshakes_that_a_request_had_to_wait_for(tmp_path: Path) -> None:
    """Pitfall 12: connections that carry one request each, behind a handshake of 50 ms, are asked for too many."""
    pem = issue(tmp_path, "127.0.0.1")
    with tls_server(pem, handshake_delay_s=HANDSHAKE_S, closes=True) as server:
        document = load(server.url, "--ca", str(pem.ca), "-R", "50", "-c", "2", seconds=2.0)
    handshake_us = HANDSHAKE_S * 1e6
    assert document["tls_handshake_us"]["min"] >= handshake_us * 0.99
    # Forty connections a second at most can be had for fifty requests: the queue grows from the start.
    assert document["latency_us"]["p50"] >= handshake_us
    assert document["latency_us"]["p50"] - document["service_time_us"]["p50"] >= handshake_us * 0.9
    assert document["connect_us"]["p50"] < handshake_us


def test_flags_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    pem = issue(tmp_path, "127.0.0.1")
    https, plain = "https://127.0.0.1:9/", "http://127.0.0.1:9/"
    cases = [
        (plain, ("--insecure",), "https://"),
        (https, ("--insecure", "--ca", str(pem.ca)), "--insecure"),
        (https, ("--cert", str(pem.cert)), "--key"),
        (https, ("--alpn", "h2"), "HTTP/1.1"),
    ]
    for url, flags, word in cases:
        outcome = loaded(url, "-R", "10", *flags)
        assert outcome.code == ExitCode.BAD_INPUT
        assert word in outcome.stderr


def test_files_that_cannot_serve_are_refused_before_anything_starts(tmp_path: Path) -> None:
    pem, other = issue(tmp_path, "127.0.0.1"), issue(tmp_path, "localhost")
    cert, key = str(pem.cert), str(other.key)
    load = ("load", "https://127.0.0.1:9/", "-q", "-R", "10")
    cases = [
        ((*load, "--ca", str(pem.key)), f"--ca {pem.key} has no certificate"),
        ((*load, "--cert", cert, "--key", key), f"--key {other.key} is not the key of"),
        (("origin", "--tls-cert", cert, "--tls-key", key), f"--tls-key {other.key} is not"),
    ]
    for arguments, words in cases:
        outcome = run_seatrial(*arguments)
        assert outcome.code == ExitCode.BAD_INPUT, outcome
        assert outcome.stderr.startswith(f"error: {words}")
    with pytest.raises(PlanError, match=r"--key .* is not the key of --cert"):
        seatrial.load(load[1], rate=10, cert=pem.cert, key=other.key)


def self_signed(directory: Path, *arguments: str, name: str = "cert") -> Pem:
    """Make a certificate as a person does, with openssl's defaults: it is an authority's (CA:TRUE)."""
    key, cert = directory / f"{name}.key", directory / f"{name}.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", str(key), "-out", str(cert), *arguments,
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return Pem(cert, cert, key)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")
@pytest.mark.parametrize(
    "arguments",
    [
        ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        ("-subj", "/CN=localhost"),
        ("-subj", "/CN=localhost", "-addext", "basicConstraints=critical,CA:FALSE"),
    ],
    ids=["CA:TRUE", "common name only", "CA:FALSE"],
)
def test_a_self_signed_certificate_is_trusted_where_it_is_given_itself(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    pem = self_signed(tmp_path, *arguments)
    other = self_signed(tmp_path, *arguments, name="other")
    with tls_server(pem) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        # Two loads share this machine and the server: refusals in time take longer than those of one.
        pace = ("-R", "50", "-c", "2", "--timeout", "2s")
        assert_everything_answered(load(url, "--ca", str(pem.ca), *pace, seconds=0.5))
        wrong = (("--ca", str(other.ca)), ("--ca", str(pem.ca), "--sni", "other.test"))
        for refused in at_once(*(partial(load, url, *flags, *pace, seconds=0.5) for flags in wrong)):
            assert set(refused["errors"]) == {"tls_certificate"}
            assert refused["requests"]["completed"] == 0


def test_a_certificate_that_has_run_out_is_not_trusted_though_it_was_given_itself(tmp_path: Path) -> None:
    pem = issue(tmp_path, "127.0.0.1", valid_for_s=-3600)
    with tls_server(pem) as server:
        flags = ("--ca", str(pem.cert), "-R", "50", "-c", "2", "--timeout", "500ms")
        assert set(load(server.url, *flags, seconds=0.5)["errors"]) == {"tls_certificate"}
