"""Plans that come along, and plans at a part of their size."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

from seatrial.cli.run import run
from seatrial.errors import PlanError
from seatrial.plan.cases import compile_cases
from seatrial.plan.read import given_again, parse_plan, read_plan
from seatrial.plan.scale import parse_scale, scaled

PLANS = Path(__file__).parents[2] / "plans"
SHIPPED = sorted(PLANS.rglob("*.yaml"))
PLAN = """
name: big
question: How big?
systems: [direct, envoy: {proxies: 8}]
vary: {connections: [0, 5, 100k, 200k], rate: [10k/s, 20k/s]}
topology: {routes: 3000, services: 15}
load: {active: 600, timeout: 2 s}
phases: {measure: 5 min}
"""


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_plan_that_comes_along_can_be_compiled_at_any_size(path: Path) -> None:
    assert path.stem in {"quick", "connections-x-rate"} or read_plan(path).name.startswith(path.stem)
    for scale in (None, "1/10", "1/1000"):
        assert compile_cases(read_plan(path, scale))


def test_sizes_are_scaled_and_times_are_not() -> None:
    plan = scaled(parse_plan(PLAN, "big.yaml"), Fraction(1, 10))
    assert plan.name == "big-at-1-10"
    assert plan.question == (
        "How big? (at 1/10 of its size: connections, rate, active, routes, services and proxies)"
    )
    values = {variable.name: variable.values for variable in plan.vary}
    # None stays none, and some stay some.
    assert values == {"connections": (0, 1, 10_000, 20_000), "rate": (1_000, 2_000)}
    assert (plan.load.active, plan.topology.routes, plan.topology.services) == (60, 300, 2)
    assert plan.phases.measure_s == 300
    assert plan.load.timeout_s == 2
    assert [getattr(system.options, "proxies", None) for system in plan.systems] == [None, 1]


def test_proxies_that_vary_are_what_is_asked_about() -> None:
    plan = read_plan(PLANS / "micro" / "proxies.yaml", "1/10")
    assert [variable.values for variable in plan.vary] == [(1, 2, 4, 8)]
    assert plan.load.connections == 1_000


def test_a_profile_is_scaled() -> None:
    text = "name: x\nsystems: [direct]\nload: {profile: [1k@1s, 2k..4k@2s]}\nphases: {measure: 3 s}\n"
    plan = scaled(parse_plan(text, "x.yaml"), Fraction(1, 4))
    assert plan.load.profile == "250/s@1 s,500/s..1k/s@2 s"
    assert compile_cases(plan)[0].load.peak_rate_per_s == 1_000


@pytest.mark.parametrize("words", ["", "0", "-1/2", "2", "1/0", "half", "nan"])
def test_what_is_no_part_of_a_whole_is_refused(words: str) -> None:
    with pytest.raises(PlanError, match="no part of a whole"):
        parse_scale(words)


def test_a_dry_run_prints_cases_order_time_and_needs_and_runs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("name: small\nsystems: [direct]\nload: {rate: 1/s}\nphases: {measure: 1 s}\nrepeat: 2\n")
    arguments = [str(path), "--dry-run", "--scale", "1/2", "--runs", str(tmp_path / "runs")]
    ran = CliRunner().invoke(run, arguments, standalone_mode=False)
    assert ran.exit_code == 0, ran.output
    for needed in ("small-at-1-2", "1 direct, 2 direct", "expected", "descriptors-workers", "program-origin"):
        assert needed in ran.output, needed
    assert not (tmp_path / "runs").exists()


CHANGING = """
name: a
systems: [nginx]
topology: {services: 4}
vary: {routes: [10, 100]}
load: {active: 4, rate: 100/s}
objects: {routes: 20}
phases: {measure: 1 min}
"""


def test_what_changes_has_two_services_to_lead_to_at_any_size() -> None:
    for scale in (Fraction(1, 10), Fraction(1, 1000)):
        cases = compile_cases(given_again(CHANGING, "a.yaml", scale).plan)
        assert {case.topology.services_in_all for case in cases} == {2}
        assert min(case.topology.routes for case in cases) == 2
    whole = compile_cases(given_again(CHANGING, "a.yaml", Fraction(1)).plan)
    assert {case.topology.services_in_all for case in whole} == {4}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
@pytest.mark.parametrize("scale", [None, "1/10"])
def test_the_load_of_every_plan_of_changes_asks_for_each_route_that_stays(
    path: Path, scale: str | None
) -> None:
    plan = read_plan(path, scale)
    for case in compile_cases(plan) if plan.objects is not None else ():
        requests = (case.load.rate_per_s or 0.0) * case.phases.measure_s
        assert requests >= 2 * case.topology.routes + 128, case
