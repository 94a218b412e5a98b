"""Routes that are changed beside traffic, on real proxies: the counts of every side are the judge, to the request."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.support.runs import Bench, codes, results, trials, wait_for_answers, wait_for_phase

from seatrial.machine import proc

PLAN = """
name: changes
systems: [{systems}]
origin: {{kind: seatrial, body: 200 B}}
topology: {{routes: 4, services: 2}}
load: {{connections: 10, active: 4, rate: 100/s, connect_rate: 500/s, timeout: 5 s, resolution: 10 ms}}
phases: {{stable_for: 0 s, warmup: 0 s, measure: {measure}, cooldown: 10 s}}
objects: {{routes: 3, at_a_time: 2, rounds: 2, probe_period: 20 ms, probe_rate: 500/s, stable_after: 3}}
repeat: 1
retry: 0
objectives: [p99 < 10 s]
"""
ON_THE_WAY = {"create": {"404"}, "update": {"before"}, "delete": {"served"}}
"""What may be answered before a change is live; beside it a connection may break off."""
AT_LAST = {"create": "served", "update": "served", "delete": "404"}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def plan(bench: Bench, systems: str, measure: str = "12 s") -> Path:
    file = bench.directory / "plan.yaml"
    file.write_text(PLAN.format(systems=systems, measure=measure))
    return file


BY_ORIGIN = ("served", "before", "elsewhere")


def assert_counted(trial: dict[str, Any]) -> None:
    """Load and probes together are what each side has counted."""
    answers: dict[str, int] = {}
    for use in trial["changes"]:
        for name, count in use["answers"].items():
            answers[name] = answers.get(name, 0) + count
    counts = trial["counts"]
    passed_on = sum(answers.get(name, 0) for name in BY_ORIGIN)
    answered = passed_on + answers.get("404", 0)
    unclear = sum(answers.values()) - answered
    completed = counts["generator_completed"]
    for counted, probes in (("system_requests", answered), ("origin_requests", passed_on)):
        if counts[counted] is not None:
            assert completed + probes <= counts[counted] <= completed + probes + unclear, (counts, answers)
    assert "system.counts" not in codes(trial), (trial["validity"], counts, answers)
    for use in trial["changes"]:
        # Asked for just before its change was begun at the earliest, and heard after it was asked for.
        assert use["lost"] == 0 or -1.0 < use["lost_from_s"] <= use["lost_to_s"] < 60.0, use


def test_every_change_of_every_round_is_seen_live_at_every_proxy(bench: Bench) -> None:
    with bench.start(plan(bench, "nginx, haproxy, {envoy: {proxies: 2}}")) as running:
        outcome = running.wait(120.0)
        running.assert_nothing_left()
    assert outcome.code in {0, 3}, outcome.stdout + outcome.stderr
    found = trials(results(bench.run_directory()))
    assert found.keys() == {"nginx", "haproxy", "envoy"}
    for system, trial in found.items():
        assert_counted(trial)
        uses = trial["changes"]
        assert [(use["change"], use["over"]) for use in uses] == [
            ("create", "kept"), ("update", "kept"), ("delete", "kept"), ("delete", "fresh"),
        ]  # fmt: skip
        for use in uses:
            places = 2 if system == "envoy" else 1
            assert (use["made"], use["places"], use["not_live"]) == (6, places, 0), (system, use)
            assert (
                len(use["first_s"])
                == len(use["every_s"])
                == len(use["stable_s"])
                == len(use["status_s"])
                == 6
            )
            assert all(first <= every for first, every in zip(use["first_s"], use["every_s"], strict=True))
            assert use["every_s"][0] > 0
            names = use["answers"].keys()
            assert AT_LAST[use["change"]] in names
            broken = {name for name in names if not name.isdigit() and name not in BY_ORIGIN}
            assert names - broken <= ON_THE_WAY[use["change"]] | {AT_LAST[use["change"]]}, (system, use)
            # Of an update nothing else than its two generations is in order: to the probe.
            astray = sum(use["answers"][name] for name in broken)
            if use["change"] != "create":
                assert use["lost"] == astray, (system, use)
            assert astray <= use["lost"] <= astray + use["answers"].get("404", 0), (system, use)
            assert (use["lost"] > 0) == (use["lost_from_s"] is not None), (system, use)
            assert (use["stale"] > 0) == bool(use["mixed_s"]), (system, use)
        # Nothing else of the trial is in doubt for it.
        assert not codes(trial) & {"system.reconfigured", "system.connections", "system.held_connections"}
        assert f"{system}, single case, trial" in outcome.stdout
    report = (bench.run_directory() / "report.html").read_text()
    assert "When each change was live" in report
    assert report.count('<td data-label="Change">delete</td>') == 6


def test_over_tls_changed_routes_are_asked_for_as_the_load_asks(bench: Bench) -> None:
    """Each proxy listens for TLS alone, so what it has counted of the probes came so."""
    file = plan(bench, "nginx, {envoy: {proxies: 2}}")
    file.write_text(file.read_text().replace("load: {", "load: {tls: {sni: shop.example}, "))
    with bench.start(file) as running:
        outcome = running.wait(120.0)
        running.assert_nothing_left()
    assert outcome.code in {0, 3}, outcome.stdout + outcome.stderr
    for system, trial in trials(results(bench.run_directory())).items():
        assert_counted(trial)
        assert trial["load"]["tls"]["versions"], system
        assert [(use["change"], use["over"], use["not_live"]) for use in trial["changes"]] == [
            ("create", "kept", 0), ("update", "kept", 0), ("delete", "kept", 0), ("delete", "fresh", 0),
        ]  # fmt: skip
        assert all(AT_LAST[use["change"]] in use["answers"] for use in trial["changes"]), (
            system,
            trial["changes"],
        )


def test_endpoints_are_replaced_behind_routes_that_stay(bench: Bench) -> None:
    """Each endpoint of the origin names itself, so who answers is its word; both proxies read what they are given."""
    file = plan(bench, "haproxy, {envoy: {proxies: 2}}")
    text = (
        file.read_text()
        .replace("objects: {", "objects: {of: endpoints, ")
        .replace("services: 2", "services: 2, endpoints: 2")
    )
    file.write_text(text.replace("rounds: 2", "rounds: 1, changes: [create, update]"))
    with bench.start(file) as running:
        outcome = running.wait(120.0)
        running.assert_nothing_left()
    assert outcome.code in {0, 3}, outcome.stdout + outcome.stderr
    found = trials(results(bench.run_directory()))
    assert found.keys() == {"haproxy", "envoy"}
    for system, trial in found.items():
        assert_counted(trial)
        created, updated = trial["changes"]
        for use in (created, updated):
            assert (use["made"], use["not_live"]) == (3, 0), (system, use)
            assert use["answers"]["served"] >= 3 * 3, (system, use)
        assert updated["answers"].keys() >= {"before", "served"}
        assert "elsewhere" not in updated["answers"]
    assert "update (endpoints), 3 times" in outcome.stdout
    # What an Envoy was given at last: the route as it was created, and to the service that is its own other endpoints.
    (configs,) = bench.run_directory().glob("configs/*/envoy-1-eds-change-0.json")
    ports = {
        name: endpoints_in(configs.with_name(f"envoy-1-eds-{name}.json"))
        for name in ("change-0", "change-1", "service-0", "service-1")
    }
    assert ports["change-0"] == ports["service-0"] != ports["service-1"] == ports["change-1"]
    routes = json.loads(configs.with_name("envoy-1-rds.json").read_text())["resources"][0]["virtual_hosts"]
    led = {one["domains"][0]: one["routes"][0]["route"]["cluster"] for one in routes}
    assert led["change-0.example.com"] == "change-0"


def endpoints_in(file: Path) -> set[str]:
    (group,) = json.loads(file.read_text())["resources"][0]["endpoints"]
    addresses = [one["endpoint"]["address"]["socket_address"] for one in group["lb_endpoints"]]
    return {f"{one['address']}:{one['port_value']}" for one in addresses}


def test_changes_that_a_person_ends_are_reported_as_far_as_they_came(bench: Bench) -> None:
    with bench.start(plan(bench, "nginx", "60 s")) as running:
        wait_for_phase(bench.run_directory(running), "measure")
        running.signal(signal.SIGINT)
        outcome = running.wait(60.0)
        running.assert_nothing_left()
    assert outcome.code == 130
    (trial,) = trials(results(bench.run_directory())).values()
    assert trial["state"] == "cut off"


def test_a_proxy_that_does_not_take_a_configuration_is_named_with_how_often(bench: Bench) -> None:
    """Two virtual hosts of one name are what an Envoy refuses; it serves on by what it had. The other one takes all."""
    file = plan(bench, "{envoy: {proxies: 2}}")
    text = file.read_text().replace("warmup: 0 s", "warmup: 3 s")
    file.write_text(text.replace("[p99 < 10 s]", "[rejected == 0]"))
    with bench.start(file) as running:
        run = bench.run_directory(running)
        wait_for_phase(run, "warm up")
        (routes,) = run.glob("configs/*/envoy-1-rds.json")
        document = json.loads(routes.read_text())
        hosts = document["resources"][0]["virtual_hosts"]
        hosts.append({**hosts[0], "name": "again"})
        planted = routes.with_suffix(".planted")
        planted.write_text(json.dumps(document))
        planted.replace(routes)
        outcome = running.wait(120.0)
        running.assert_nothing_left()
    (trial,) = trials(results(bench.run_directory())).values()
    assert_counted(trial)
    (found,) = trial["rejected"]
    assert (found["member"], found["count"]) == ("envoy-1", 1)
    assert found["counter"].endswith(".update_rejected")
    assert "it did not take updates of its configuration, and served what it had before" in outcome.stdout
    assert "rejected == 0 does not hold" in outcome.stdout
    # What came afterwards it took.
    assert [use["not_live"] for use in trial["changes"]] == [0] * 4


def test_a_prober_that_is_killed_is_named_and_nothing_is_believed(bench: Bench) -> None:
    file = plan(bench, "nginx", measure="8 s")
    file.write_text(file.read_text().replace("rounds: 2", "rounds: 50, rate: 1/s"))
    with bench.start(file) as running:
        wait_for_answers(bench.run_directory(running))
        (prober,) = [
            pid for pid in proc.descendants(running.process.pid) if "prober" in proc.command_line(pid)
        ]
        os.kill(prober, signal.SIGKILL)
        outcome = running.wait(120.0)
        running.assert_nothing_left()
    (trial,) = trials(results(bench.run_directory())).values()
    assert trial["validity"]["state"] == "INVALID", outcome.stdout
    assert any("prober" in reason["text"] for reason in trial["validity"]["reasons"]), trial["validity"]
    assert "pipe closed by peer" not in outcome.stderr
