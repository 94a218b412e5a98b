"""A discoverer that does nothing, that dies, or whose page is not there: the run ends in time, and says what it was."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.api_server import ApiServer
from tests.support.discovered import Tried, assert_of_machine, discoverer, tried
from tests.support.runs import codes

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(150)]

FEW = {
    f"discovery__{name}": value
    for name, value in {
        "services": "8",
        "namespaces": "2",
        "samples": "0",
        "storm": "0",
        "faults": "[]",
        "settle": "1 s",
    }.items()
}
Try = Callable[..., Tried]


@pytest.fixture
def try_out(server: ApiServer, tmp_path: Path) -> Try:
    """Return what runs the shipped plan, short, with a discoverer in the words of a plan."""

    def trying(systems: str, measure: str, all_within: str = "30 s") -> Tried:
        phases = f"{{stable_for: 0 s, warmup: 0 s, measure: {measure}, cooldown: 5 s}}"
        asked = {"discovered_all < 30 s": f"discovered_all < {all_within}"}
        return tried(tmp_path, server.kubeconfig, "discovery", asked, systems=systems, phases=phases, **FEW)

    return trying


def any_program(*command: str) -> str:
    return json.dumps([{"discoverer": {"command": command, "sources": ["openstack"], "period": "1 s"}}])


def test_one_that_never_replicates_anything_fails_in_time(try_out: Try) -> None:
    found = try_out(any_program("/bin/sleep", "1000"), "8 s", all_within="5 s")
    # What it had no time for nobody knows; that 5 s were not enough is known.
    assert found.not_held() == {"discovered_all"}
    assert "not_discovered" not in found.held()
    assert found.steps["all"]["missing"] == 8
    # The other steps have not come: that changes nothing of what has failed.
    found.assert_verdict()


def test_one_that_dies_in_the_middle_is_named_with_its_end(try_out: Try) -> None:
    began_s = time.monotonic()
    found = try_out(any_program("/bin/sh", "-c", "sleep 2; echo no more >&2; exit 9"), "90 s")
    assert found.outcome.code == 3
    assert "ended with exit status 9; its log ends: no more" in found.outcome.stdout
    # It did not wait for what nobody was there to do.
    assert time.monotonic() - began_s < 60


def test_one_that_is_killed_while_nothing_changes_is_named(try_out: Try) -> None:
    (system,) = json.loads(discoverer())
    system["discoverer"]["command"][:0] = ["/usr/bin/timeout", "--signal=KILL", "8"]
    found = try_out(json.dumps([system]), "30 s")
    assert found.outcome.code == 3
    assert "the system went away during the trial: discoverer" in found.outcome.stdout
    assert found.steps["all"]["missing"] == 0


def test_a_page_that_is_not_there_is_said_and_its_objectives_are_not_judged(try_out: Try) -> None:
    (system,) = json.loads(discoverer())
    system["discoverer"]["metrics"]["path"] = "/not-there"
    found = try_out(json.dumps([system]), "14 s")
    assert "/not-there never answered: what its queue did is not known" in found.outcome.stderr
    assert {"queue_left", "unaccounted"}.isdisjoint(found.held() | found.not_held())
    assert found.trial["discovery"]["queue"] is None
    assert_of_machine(codes(found.trial))


def test_an_interpreter_of_a_virtual_environment_keeps_its_packages(try_out: Try) -> None:
    # Its path is a link, and by what that leads to it would know none of what this project needs.
    assert sys.executable in discoverer()
    assert try_out(discoverer(), "12 s").steps["all"]["missing"] == 0
