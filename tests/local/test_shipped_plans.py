"""What is wrong with a system, or with what measures it, is caught by the plans that come along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.extended import extended, run
from tests.support.kept import answered_from_kept
from tests.support.program import run_seatrial
from tests.support.runs import Bench, codes, results
from tests.support.shipped import shipped
from tests.support.starved import starved
from tests.support.systems import require

from seatrial.record.reader import RunReader

SHORT = "{stable_for: 0 s, warmup: 200 ms, measure: 2 s, cooldown: 5 s}"
BEFORE = '    "direct": DirectOptions,\n'

DEAD = '''
import dataclasses
from typing import Literal
from seatrial.machine.address import Endpoint
from seatrial.systems.envoy.system import EnvoyDialect, EnvoyOptions
from seatrial.topology.expand import Service, Topology

class DeadDialect(EnvoyDialect):
    """An Envoy that has been given a wrong address for one service: nothing listens there."""

    def prepare(self, launch, ports):
        wrong = Service("service-7", (Endpoint("127.0.0.1", 1),))
        services = tuple(wrong if one.name == wrong.name else one for one in launch.topology.services)
        topology = Topology(launch.topology.routes, services)
        return super().prepare(dataclasses.replace(launch, topology=topology), ports)

class BrokenOptions(EnvoyOptions):
    """An Envoy with a dead route."""

    kind: Literal["broken"] = "broken"

    def dialect(self):
        return DeadDialect(self)
'''
HALVED = '''
from typing import Literal
from seatrial.systems.envoy.system import EnvoyOptions

class Halved:
    """A fleet of which half is never given any traffic: a wrong Service, or a load balancer that has not heard."""

    def __init__(self, fleet):
        self._fleet = fleet

    async def start(self, launch):
        endpoints = await self._fleet.start(launch)
        return endpoints[: len(endpoints) // 2]

    def __getattr__(self, name):
        return getattr(self._fleet, name)

class BrokenOptions(EnvoyOptions):
    """An Envoy fleet, half of it in vain."""

    kind: Literal["broken"] = "broken"

    def create(self):
        return Halved(super().create())
'''
DROPPING = '''
from typing import Literal
from seatrial.systems.nginx.dialect import NginxDialect
from seatrial.systems.nginx.system import NginxOptions

class DroppingDialect(NginxDialect):
    """An nginx that gives its old workers no time: what is under way at a reload is broken off."""

    def _render(self, *given, **more):
        return "worker_shutdown_timeout 1ms;\\n" + super()._render(*given, **more)

class BrokenOptions(NginxOptions):
    """An nginx whose reload drops connections."""

    kind: Literal["broken"] = "broken"

    def dialect(self):
        made = super().dialect()
        return DroppingDialect(made._template, made._workers, made._values)
'''
LINE = '    "broken": __import__("seatrial.systems.broken", fromlist=["BrokenOptions"]).BrokenOptions,\n'


def broken_run(tmp_path: Path, system: str, plan: str) -> tuple[Any, dict[str, Any]]:
    """Run a plan on a system that is wrong; return what the program printed, and the only case."""
    program = extended(tmp_path, "systems/broken.py", system, "systems/registry.py", LINE, BEFORE)
    file = program / "plan.yaml"
    file.write_text(plan)
    ran = run(program, "run", str(file))
    (case,) = results(Bench(program).run_directory())["cases"]
    return ran, case


def test_a_dead_route_is_named_before_anything_is_measured(tmp_path: Path) -> None:
    require("envoy")
    plan = shipped("micro/routes", systems="[broken]", vary__routes="[10]", phases=SHORT)
    ran, case = broken_run(tmp_path, DEAD, plan)
    assert ran.returncode == 3, ran
    assert "1 of 10 routes are dead: route-7 answered 503 in place of 200" in ran.stdout + ran.stderr
    (trial,) = case["trials"]
    assert trial["load"] is None


def test_members_without_traffic_are_named_and_the_trial_is_not_believed(tmp_path: Path) -> None:
    require("envoy")
    plan = shipped(
        "micro/proxies",
        systems="[broken]",
        vary__proxies="[4]",
        phases=SHORT,
        load="{connections: 200, rate: 500/s, active: 20, timeout: 2 s}",
    )
    ran, case = broken_run(tmp_path, HALVED, plan)
    assert ran.returncode == 3, ran
    (trial,) = case["trials"]
    (reason,) = [one for one in trial["validity"]["reasons"] if one["code"] == "system.unbalanced"]
    assert "broken-3 had 0 connections of 55" in reason["text"]
    assert "broken-4 had 0 connections of 55" in reason["text"]
    # What a program with other code kept is not believed by this one.
    directory = next((tmp_path / "runs").iterdir())
    with RunReader.open(directory) as reader:
        assert reader.kept_summary(1) is not None
    assert answered_from_kept(directory) == set()


def test_a_reload_that_drops_requests_fails_its_objective(tmp_path: Path) -> None:
    require("nginx")
    plan = shipped(
        "reload",
        systems="[broken]",
        origin="{body: 600 B, delay: 100 ms}",
        load="{connections: 100, active: 200, rate: 300/s, resolution: 10 ms, timeout: 2 s}",
        phases="{stable_for: 0 s, warmup: 500 ms, measure: 8 s}",
    )
    for shipped_at, at in (("15 s", "2 s"), ("30 s", "4 s"), ("45 s", "6 s")):
        plan = plan.replace(f"at: {shipped_at}", f"at: {at}")
    ran, case = broken_run(tmp_path, DROPPING, plan)
    assert ran.returncode in {1, 3}, ran
    outcome = next(one for one in case["verdict"]["objectives"] if one["objective"] == "during_dropped == 0")
    (trial,) = case["trials"]
    # 30 requests are under way at each of the three reloads.
    dropped = [window["dropped"] for window in trial["disturbances"]]
    assert all(dropped), dropped
    assert len(dropped) == 3
    assert (outcome["held"], outcome["values"]) == (False, [max(dropped)])
    assert "were dropped" in ran.stdout


def test_a_generator_that_is_too_slow_is_named(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    load = "{active: 20, arrival: poisson, timeout: 2 s, workers: 1}"
    plan.write_text(
        shipped(
            "micro/rate", systems="[direct]", vary__rate="[10k/s]", load=load, phases=SHORT, objectives="[]"
        )
    )
    bench = Bench(tmp_path)
    with starved(0.1) as hunger:
        ran = run_seatrial("run", str(plan), "--runs", str(bench.runs), prefix=hunger.prefix, limit_s=120.0)
    assert ran.code == 3
    (case,) = results(bench.run_directory())["cases"]
    (trial,) = case["trials"]
    assert {*hunger.codes, "generator.late", "generator.unread"} & codes(trial), trial["validity"]
