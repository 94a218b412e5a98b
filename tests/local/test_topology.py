"""Routes, services and endpoints through real proxies: each is live and exercised, and a dead one is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.kept import assert_kept_as_made
from tests.support.runs import Bench, results, trials
from tests.support.systems import installed

from seatrial.systems.registry import LOCAL

if TYPE_CHECKING:
    from pathlib import Path

TEST_LIMIT_S = 240
"""All kinds follow one another in one run."""
LIMIT_S = TEST_LIMIT_S - 20
PLAN = """
name: routes
systems: [{systems}]
topology: {topology}
load: {{active: 4, connections: 5, rate: 300/s, resolution: 10 ms{more}}}
phases: {{stable_for: 0 s, warmup: 0 s, measure: 1 s, cooldown: 5 s}}
repeat: 1
retry: 0
"""


def made(directory: Path, systems: list[str], topology: str, more: str = "") -> dict[str, dict[str, Any]]:
    """Run a plan; return the trial of each system."""
    bench = Bench(directory)
    plan = directory / "plan.yaml"
    plan.write_text(PLAN.format(systems=", ".join(systems), topology=topology, more=more))
    bench.start(plan).wait(LIMIT_S)
    assert_kept_as_made(bench.run_directory(), set(range(1, len(systems) + 1)))
    return trials(results(bench.run_directory()))


@pytest.mark.timeout(TEST_LIMIT_S)
@pytest.mark.parametrize("by", ["host", "path"])
def test_every_route_is_exercised_and_counted_on_every_side(tmp_path: Path, by: str) -> None:
    kinds = installed()
    seen = made(tmp_path, kinds, f"{{routes: 30, by: {by}, services: 10, endpoints: 2}}", ", tls: true")
    assert set(seen) == set(kinds)
    for kind, trial in seen.items():
        assert trial["load"]["status"] == {"200": 300}, kind
        assert {count for count in trial["counts"].values() if count is not None} == {300}, kind
        reached = trial["reached"]
        assert (reached["routes"], reached["routes_reached"]) == (30, 30), kind
        # A load that goes straight to the endpoints reaches as many as it has connections.
        endpoints = 20 if kind != "direct" else 4
        assert (reached["endpoints"], reached["endpoints_reached"]) == (20, endpoints), kind
        routes = trial["load"]["routes"]
        assert len(routes) == 30, kind
        assert sum(route["sent"] for route in routes) == 300, kind


@pytest.mark.timeout(TEST_LIMIT_S)
def test_a_thousand_routes(tmp_path: Path) -> None:
    kinds = [kind for kind in installed() if LOCAL[kind].proxied]
    seen = made(tmp_path, kinds, "{routes: 1000, services: 100}", ", timeout: 10 s, connect_rate: 1k/s")
    assert set(seen) == set(kinds)
    for kind, trial in seen.items():
        reached = trial["reached"]
        # 300 requests are too few for a thousand routes, and it is the plan that is named for it.
        assert reached["routes"] == 1000, kind
        assert reached["routes_reached"] == trial["load"]["requests"]["completed"] == 300, kind
        assert "plan.routes" in {reason["code"] for reason in trial["validity"]["reasons"]}, kind
        assert len({count for count in trial["counts"].values() if count is not None}) == 1, kind


def test_idle_connections_ask_for_no_route(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    plan = tmp_path / "plan.yaml"
    text = PLAN.format(systems="envoy", topology="{routes: 3}", more="")
    plan.write_text(text.replace("active: 4, connections: 5, rate: 300/s", "active: 0, connections: 50"))
    bench.start(plan).wait(LIMIT_S)
    (trial,) = trials(results(bench.run_directory())).values()
    assert trial["load"]["connections"]["held"]["established"] == 50
    # The proof has asked for each route; that is not the load's.
    assert trial["reached"]["routes_reached"] == 0
    codes = {reason["code"] for reason in trial["validity"]["reasons"]}
    assert not {code for code in codes if code.startswith(("plan.", "system."))}, codes
