"""``seatrial load`` against an origin with faults: both count the same, by the right kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.load_contract import assert_counts_add_up
from tests.support.program import run_seatrial, running_origin

from seatrial.errors import ExitCode
from seatrial.machine.sockets import free_address

INTENDED = 60
LISTENS = "0A"
"""How /proc/net/tcp prints the state."""
FLAGS = ("-c", "20", "-R", "100", "-d", "600ms", "--timeout", "400ms")

FAULTS = {
    "reset": ("reset:25%", "read_reset"),
    "half": ("half:25%", "premature_close"),
    "garbage": ("garbage:25%", "protocol_head"),
    "long_length": ("long-length:25%", "timeout"),
    "short_length": ("short-length:25%", "protocol_excess"),
    "slow": ("slow:25%:5s", "timeout"),
}


def load(url: str, *flags: str) -> dict[str, Any]:
    document = run_seatrial("load", url, "-q", *FLAGS, *flags, "--json", "-").document
    assert_counts_add_up(document)
    return document


def assert_counted_alike(document: dict[str, Any], counts: dict[str, Any], kind: str, error: str) -> None:
    """Exactly the faults that the origin made are the errors that the load met."""
    requests = document["requests"]
    assert requests["sent"] == counts["requests"] == INTENDED
    assert 0 < counts["faults"][kind] < INTENDED
    assert counts["faults"] == {kind: document["errors"].get(error)}
    assert document["errors"] == {error: requests["timed_out"] + requests["failed"]}
    assert document["status"] == {"200": INTENDED - counts["faults"][kind]}
    assert counts["errors"] == {}


@pytest.mark.parametrize(("kind", "flag", "error"), [(kind, *rest) for kind, rest in FAULTS.items()])
def test_a_fault_is_counted_by_its_kind_on_both_sides(kind: str, flag: str, error: str) -> None:
    with running_origin("--fault", flag, "--seed", "1") as origin:
        document = load(origin.url)
        assert_counted_alike(document, origin.finish(), kind, error)


def test_faults_are_the_same_through_tls_and_of_several_processes(tmp_path: Path) -> None:
    """One of each error that has its own kind; a length too long gives the same timeout as a body too slow."""
    mixed = {kind: rest for kind, rest in FAULTS.items() if kind != "long_length"}
    faults = [word for flag, _ in mixed.values() for word in ("--fault", flag.replace("25%", "15%"))]
    ca, port = str(tmp_path / "ca.pem"), str(free_address().port)
    with running_origin("--port", port, "--processes", "2", "--tls-self-signed", ca, *faults) as origin:
        document = load(origin.url, "--ca", ca)
        counts = origin.finish()
    assert counts["requests"] == document["requests"]["sent"] == INTENDED
    assert document["errors"] == {mixed[kind][1]: count for kind, count in counts["faults"].items()}
    assert counts["faults"].keys() == mixed.keys()
    assert counts["errors"] == {}


def test_an_origin_names_its_address_when_all_its_processes_listen() -> None:
    """Before that a load would fill those that do. As it was, a million connections came to two thirds of them."""
    port = free_address().port
    with running_origin("--port", str(port), "--processes", "4"):
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    assert sum(row[1].endswith(f":{port:04X}") and row[3] == LISTENS for row in rows) == 4


def test_several_faults_stand_side_by_side_and_a_seed_repeats_them() -> None:
    flags = ("--fault", "reset:20%", "--fault", "half:10%", "--seed", "5")
    seen = []
    for _ in range(2):
        with running_origin(*flags) as origin:
            errors = load(origin.url)["errors"]
            counts = origin.finish()
        assert counts["faults"] == {"reset": errors["read_reset"], "half": errors["premature_close"]}
        seen.append(counts["faults"])
    assert seen[0] == seen[1]


def test_a_slow_body_is_whole_at_its_time() -> None:
    with running_origin("--fault", "slow:100%:150ms") as origin:
        document = load(origin.url, "--timeout", "5s")
        counts = origin.finish()
    assert document["errors"] == {}
    assert document["requests"]["completed"] == counts["faults"]["slow"] == INTENDED
    assert document["service_time_us"]["min"] >= 149_000


def test_a_connection_closes_after_so_many_answers_and_costs_no_error() -> None:
    with running_origin("--close-after", "2") as origin:
        document = load(origin.url, "--timeout", "5s")
        counts = origin.finish()
    assert document["errors"] == {}
    assert document["requests"]["completed"] == INTENDED
    assert INTENDED / 2 - 20 <= counts["faults"]["close"] <= INTENDED / 2
    assert document["connections"]["opened"] == counts["connections_accepted"]
    # After the last answers of a load nothing is opened anew.
    assert (
        counts["faults"]["close"] - 20 <= document["connections"]["reconnected"] <= counts["faults"]["close"]
    )


def test_a_stall_holds_back_what_comes_in_its_time() -> None:
    with running_origin("--stall", "300ms@100ms") as origin:
        document = load(origin.url, "-c", "60", "--timeout", "5s")
        counts = origin.finish()
    assert document["errors"] == {}
    assert document["requests"]["completed"] == INTENDED
    # About 30 of them, one every 10 ms; the first wait for almost all of it.
    assert 20 <= counts["faults"]["stall"] <= 40
    assert document["service_time_us"]["max"] >= 250_000


def test_a_stall_that_outlasts_the_timeout_is_counted_by_both_sides() -> None:
    with running_origin("--stall", "1500ms@0s") as origin:
        document = load(origin.url, "-c", "60")
        counts = origin.finish()
    assert document["requests"]["completed"] == 0
    assert document["errors"] == {"timeout": INTENDED}
    assert counts["faults"] == {"stall": INTENDED}


def test_a_wrong_flag_is_reported_by_its_name_and_its_place() -> None:
    outcome = run_seatrial("origin", "--fault", "reset:150%")
    assert outcome.code == ExitCode.BAD_INPUT
    assert "--fault" in outcome.stderr
    assert "column 7: `150%` is no share" in outcome.stderr
    outcome = run_seatrial("origin", "--fault", "half:1%", "--body", "0")
    assert outcome.code == ExitCode.BAD_INPUT
    assert "an answer without a body" in outcome.stderr
