"""Faults that are planted in real Envoys are found by the plan of changes that comes along, each by its own sign."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.extended import extended, run
from tests.support.runs import Bench, results, trials

FILE = '''
import dataclasses
import threading
from typing import Literal
from pydantic import Field
from seatrial.systems.envoy.system import EnvoyDialect, EnvoyOptions

LATER_S = 1.5

class FaultyOptions(EnvoyOptions):
    """Envoys whose configuration is not what it was meant to be."""

    kind: Literal["faulty"] = "faulty"
    fault: Literal["none", "stuck", "undeleted", "unprogrammed", "early", "drops", "gaps"] = Field(
        "none", description="What is wrong with it.", examples=["stuck"]
    )

    def dialect(self):
        return FaultyDialect(self)

class FaultyDialect(EnvoyDialect):
    def __init__(self, options):
        super().__init__(options)
        self._fault, self._first, self._seen, self._led = options.fault, None, {}, {}

    def prepare(self, launch, ports):
        self._first = self._first or launch
        self._seen |= {route.name: route for route in launch.topology.routes}
        return getattr(self, f"_{self._fault}")(launch, ports)

    def _none(self, launch, ports):
        return super().prepare(launch, ports)

    def _stuck(self, launch, ports):
        # One of the two serves what it began with.
        return self._none(self._first if launch.label.endswith("-2") else launch, ports)

    def _undeleted(self, launch, ports):
        return self._with(launch, ports, self._seen.values())

    def _unprogrammed(self, launch, ports):
        return self._with(launch, ports, [one for one in launch.topology.routes if one.name != "change-3"])

    def _early(self, launch, ports):
        if launch is self._first:
            self._last = self._none(launch, ports)
        else:
            threading.Timer(LATER_S, self._none, (launch, ports)).start()
        return self._last

    def _drops(self, launch, ports):
        if launch is self._first:
            return self._none(launch, ports)
        threading.Timer(0.3, self._none, (launch, ports)).start()
        stay = {one.name for one in self._first.topology.routes}
        return self._with(launch, ports, [one for one in launch.topology.routes if one.name not in stay])

    def _gaps(self, launch, ports):
        # A route that is led to another service is away for a while.
        led = {route.name: route.service for route in launch.topology.routes}
        moved = {name for name, service in led.items() if self._led.get(name, service) != service}
        self._led = led
        if moved:
            threading.Timer(0.3, self._none, (launch, ports)).start()
        return self._with(launch, ports, [one for one in launch.topology.routes if one.name not in moved])

    def _with(self, launch, ports, routes):
        topology = dataclasses.replace(launch.topology, routes=tuple(routes))
        return self._none(dataclasses.replace(launch, topology=topology), ports)
'''

LINE = '    "faulty": __import__("seatrial.systems.faulty", fromlist=["FaultyOptions"]).FaultyOptions,\n'
BEFORE = '    "direct": DirectOptions,\n'
SHORTER = {
    "measure: 40 s": "measure: 10 s",
    "warmup: 3 s": "warmup: 1 s",
    "{routes: 50, at_a_time: 5, rate: 1/s}": "{routes: 4, at_a_time: 2, rate: 2/s}",
    "repeat: 1": "repeat: 1\nretry: 0",
    "systems: [nginx, haproxy, {envoy: {proxies: 2}}]": "systems: [{faulty: {proxies: 2, fault: FAULT}}]",
}
ROUTES = 4


def played(directory: Path, fault: str) -> dict[str, Any]:
    """Return the trial of the plan that comes along on Envoys with a fault, and what is said of them."""
    program = extended(directory, "systems/faulty.py", FILE, "systems/registry.py", LINE, BEFORE)
    text = (Path(__file__).parents[2] / "plans/changes.yaml").read_text()
    for old, new in SHORTER.items():
        assert old in text
        text = text.replace(old, new.replace("FAULT", fault))
    plan = directory / "plan.yaml"
    plan.write_text(text)
    ran = run(program, "run", str(plan), limit_s=120)
    assert ran.returncode in {0, 1, 3}, ran
    document = results(Bench(program).run_directory())
    (trial,) = trials(document).values()
    return {**trial, "sentence": document["systems"][0]["sentence"]}


def uses(trial: dict[str, Any], *changes: str) -> list[dict[str, Any]]:
    return [use for use in trial["changes"] if use["change"] in changes]


def broken(trial: dict[str, Any], objective: str) -> bool:
    return f"{objective} does not hold" in trial["sentence"]


def test_without_a_fault_nothing_is_found(tmp_path: Path) -> None:
    trial = played(tmp_path, "none")
    assert [use["not_live"] for use in trial["changes"]] == [0] * 4
    assert not any(
        broken(trial, one) for one in ("not_live == 0", "lost == 0", "errors == 0", "rejected == 0")
    )


def test_a_replica_that_serves_an_old_generation_is_found(tmp_path: Path) -> None:
    trial = played(tmp_path, "stuck")
    (created,) = uses(trial, "create")
    # One of both serves it: who asks one address only would call it live.
    assert (len(created["first_s"]), len(created["every_s"]), created["not_live"]) == (ROUTES, 0, ROUTES)
    assert broken(trial, "not_live == 0")


def test_a_deleted_route_that_is_served_on_is_found(tmp_path: Path) -> None:
    trial = played(tmp_path, "undeleted")
    assert [use["not_live"] for use in uses(trial, "create", "update")] == [0, 0]
    assert [use["not_live"] for use in uses(trial, "delete")] == [ROUTES, ROUTES]
    assert broken(trial, "not_live == 0")
    assert broken(trial, "gone_p99 < 2 s")


def test_a_route_that_was_never_programmed_is_found(tmp_path: Path) -> None:
    trial = played(tmp_path, "unprogrammed")
    (created,) = uses(trial, "create")
    assert (len(created["every_s"]), created["not_live"]) == (ROUTES - 1, 1)
    assert broken(trial, "not_live == 0")


def test_a_status_that_is_there_before_any_replica_is_found(tmp_path: Path) -> None:
    trial = played(tmp_path, "early")
    (created,) = uses(trial, "create")
    assert len(created["gap_s"]) == ROUTES
    assert min(created["gap_s"]) > 1.0
    assert broken(trial, "gap_p99 < 1 s")


def test_a_change_that_drops_requests_of_others_is_found(tmp_path: Path) -> None:
    trial = played(tmp_path, "drops")
    assert trial["load"]["answers"]["unexpected"] > 20
    assert broken(trial, "errors == 0")


def test_an_update_that_takes_a_route_away_for_a_while_is_found(tmp_path: Path) -> None:
    trial = played(tmp_path, "gaps")
    created, updated = uses(trial, "create", "update")
    assert (created["lost"], created["not_live"], updated["not_live"]) == (0, 0, 0)
    # Every 10 ms, for 0.3 s, of every route at both proxies: what is away says 404.
    assert updated["lost"] == updated["answers"]["404"] > 20
    assert updated["lost_to_s"] - updated["lost_from_s"] > 0.2
    assert updated["every_s"][0] > 0.3
    assert broken(trial, "lost == 0")
    assert not broken(trial, "errors == 0")
