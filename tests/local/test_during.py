"""Whole runs whose systems are disturbed: what is reported of it, what is counted, and what a shipped plan catches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.kept import assert_kept_as_made
from tests.support.runs import Bench, codes, results, survivors, trials
from tests.support.systems import require

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT_S = 150
HEAD = """
name: during
load: {active: 10, connections: 20, rate: 200/s, resolution: 10 ms, timeout: 5 s, interval: 500 ms%s}
repeat: 1
retry: 0
"""
# What a busy machine may do to a trial; everything else would be said of the systems.
OURS = ("environment.", "generator.")


def made(tmp_path: Path, text: str, load: str = "") -> Mapping[str, dict[str, Any]]:
    """Run a plan; return the trial of each system."""
    bench = Bench(tmp_path)
    plan = tmp_path / "plan.yaml"
    plan.write_text(HEAD % load + text)
    bench.start(plan).wait(LIMIT_S)
    directory = bench.run_directory()
    assert survivors(directory) == ()
    return trials(results(directory))


def of_systems(trial: dict[str, Any]) -> set[str]:
    return {code for code in codes(trial) if not code.startswith(OURS)}


def accounted(trial: dict[str, Any]) -> None:
    """Each window lies between two disturbances, and has every request that was accounted for in it."""
    windows = trial["disturbances"]
    bounds = [(window["start_s"], window["end_s"]) for window in windows]
    assert [end_s for _, end_s in bounds[:-1]] == [start_s for start_s, _ in bounds[1:]]
    first_s = bounds[0][0]
    steps = [step for step in trial["load"]["intervals"] if step["start_s"] >= first_s - 0.01]
    for name in ("sent", "completed"):
        assert sum(window["requests"][name] for window in windows) == sum(step[name] for step in steps), name


def test_a_topology_and_a_certificate_change_and_no_count_is_off(tmp_path: Path) -> None:
    # One that starts other workers, and one that reads its changes as it serves: what each kind does when it is asked
    # is in test_systems_disturbed.py, and two more kinds go through a run like this one in test_namespaces.py.
    kinds = ("nginx", "envoy")
    for kind in kinds:
        require(kind)
    found = made(
        tmp_path,
        f"systems: [{', '.join(kinds)}]\n"
        """
topology: {routes: 3}
phases: {stable_for: 0 s, warmup: 200 ms, measure: 9 s, cooldown: 5 s}
during:
  - {at: 1 s, do: add routes, count: 2}
  - {at: 3 s, do: add endpoints}
  - {at: 5 s, do: swap certificate}
  - {at: 7 s, do: remove routes, count: 2}
objectives: [during_unexpected == 0]
""",
        ", tls: true",
    )
    for kind in kinds:
        trial = found[kind]
        assert [window["done"] for window in trial["disturbances"]] == [
            "add 2 routes", "add 1 endpoint", "swap certificate", "remove 2 routes",
        ]  # fmt: skip
        assert all(window["took_s"] for window in trial["disturbances"])
        assert of_systems(trial) == set(), kind
        accounted(trial)
        completed = trial["counts"]["generator_completed"]
        # Each new route was asked for once at least to see that it is live; origins have counted that, too.
        assert trial["counts"]["origin_requests"] >= completed + 5
        assert trial["reached"]["routes_reached"] == 3
        assert set(trial["load"]["status"]) == {"200"}


def test_members_are_killed_drained_and_restarted_and_it_is_a_result(tmp_path: Path) -> None:
    require("envoy")
    found = made(
        tmp_path,
        """
systems: [nginx: {proxies: 3}, envoy: {proxies: 3}, direct]
phases: {stable_for: 0 s, warmup: 200 ms, measure: 10 s, cooldown: 5 s}
during:
  - {at: 500 ms, do: restart, member: 3}
  - {at: 3 s, do: kill, member: 1, for: 1 s}
  - {at: 6 s, do: drain, member: 2, for: 1 s}
""",
    )
    for kind in ("nginx", "envoy"):
        trial = found[kind]
        assert trial["state"] == "completed"
        restarted, killed, drained = trial["disturbances"]
        assert restarted["took_s"] and killed["took_s"] > 1.0 and drained["took_s"]  # noqa: PT018
        assert of_systems(trial) == set(), kind
        accounted(trial)
        # A third of the idle connections was of the member that was killed.
        assert killed["held_lost"] >= 6
        assert killed["errors"].get("connect_refused")
        # What a member had counted went with it, which is said, and the origin has counted all the same.
        assert trial["counts"]["system_requests"] is None
        assert any("went with a disturbance" in remark for remark in trial["remarks"])
        assert trial["counts"]["origin_requests"] >= trial["counts"]["generator_completed"]
    assert found["direct"]["disturbances"] == []
    assert_kept_as_made(Bench(tmp_path).run_directory(), {1, 2, 3})


def test_an_origin_that_stands_still_shows_in_its_window_only(tmp_path: Path) -> None:
    trial = made(
        tmp_path,
        """
systems: [nginx]
phases: {stable_for: 0 s, warmup: 200 ms, measure: 6 s, cooldown: 5 s}
during:
  - {at: 2 s, do: pause origin, for: 1 s}
  - {at: 4500 ms, do: reload}
""",
    )["nginx"]
    paused, reloaded = trial["disturbances"]
    # A request that was sent when the pause began has waited for most of it.
    assert paused["latency_us"]["max"] >= 900_000
    assert 1.0 <= paused["took_s"] < 2.4
    assert trial["load"]["latency_us"]["max"] == max(
        paused["latency_us"]["max"], reloaded["latency_us"]["max"]
    )


def test_one_endpoint_of_three_stands_still_and_a_system_without_a_reload_is_spared_it(
    tmp_path: Path,
) -> None:
    require("envoy")
    found = made(
        tmp_path,
        """
systems: [nginx, envoy]
topology: {endpoints: 3}
phases: {stable_for: 0 s, warmup: 200 ms, measure: 5 s, cooldown: 5 s}
during:
  - {at: 1 s, do: pause endpoint, endpoint: 2, for: 1 s}
  - {at: 3 s, do: reload, systems: [nginx]}
objectives: [during_dropped == 0]
""",
    )
    assert [window["done"] for window in found["nginx"]["disturbances"]] == [
        "pause endpoint 2 for 1 s", "reload",
    ]  # fmt: skip
    assert [window["done"] for window in found["envoy"]["disturbances"]] == ["pause endpoint 2 for 1 s"]
    for kind, trial in found.items():
        paused = trial["disturbances"][0]
        assert 1.0 <= paused["took_s"] < 2.4
        # A request to the one endpoint has waited for most of the pause.
        assert paused["latency_us"]["max"] >= 900_000
        assert of_systems(trial) == set(), kind
        assert trial["reached"]["endpoints_reached"] == 3
        # What waited was answered, and nothing was lost or counted twice.
        assert trial["counts"]["origin_requests"] == trial["counts"]["generator_completed"]
        assert set(trial["load"]["status"]) == {"200"}
    directory = Bench(tmp_path).run_directory()
    spared = {case["system"]: case["spared"] for case in results(directory)["cases"]}
    assert spared == {"nginx": [], "envoy": [{"at_s": 3.0, "done": "reload"}]}
    for name in ("report.md", "report.html"):
        assert "not done to it" in (directory / name).read_text()


@pytest.mark.parametrize("kind", ["nginx"])
def test_a_disturbance_that_is_not_done_in_time_is_named(tmp_path: Path, kind: str) -> None:
    bench = Bench(tmp_path)
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        HEAD % ""
        + f"systems: [{kind}: {{proxies: 2}}]\n"
        + "phases: {stable_for: 0 s, warmup: 0 s, measure: 2 s, cooldown: 5 s}\n"
        # Idle connections of nginx are not closed before they have asked for anything.
        + "during: [{at: 500 ms, do: drain, member: 1, for: 30 s}]\n"
    )
    bench.start(plan).wait(LIMIT_S)
    directory = bench.run_directory()
    (trial,) = trials(results(directory)).values()
    assert trial["state"].startswith("failed: ")
    assert "was not done when the measure phase ended" in trial["state"]
    assert survivors(directory) == ()
