"""Routes that are changed as objects of a real cluster: live at every proxy, gone again, and every probe counted."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tests.local.test_objects import AT_LAST, assert_counted
from tests.support.cluster_runs import (
    CONTOUR,
    ENDS_WITHIN_S,
    ENVOY_GATEWAY,
    RUN_LABEL,
    TRAEFIK,
    ClusterBench,
    only_trial,
)
from tests.support.clusters import ask
from tests.support.runs import START_LIMIT_S, Bench, trials, wait_for_answers

from seatrial.record.reader import RunReader

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

OBJECTS = "objects: {routes: 8, at_a_time: 2, probe_period: 20 ms, probe_rate: 400/s, stable_after: 3}\n"
HAS_STATUS = {"contour", "envoy-gateway"}
"""An Ingress, which is what Traefik is given, has no status of its own."""


SYSTEMS = pytest.mark.parametrize(
    ("system", "proxies"),
    [(CONTOUR, 2), (ENVOY_GATEWAY, 1), (TRAEFIK, 1)],
    ids=["contour", "envoy-gateway", "traefik"],
)


@pytest.fixture
def bench(cluster: Any, tmp_path: Path) -> ClusterBench:
    return ClusterBench(cluster, Bench(tmp_path))


@SYSTEMS
def test_routes_that_change_are_seen_live_and_gone_at_every_proxy(
    system: str, proxies: int, bench: ClusterBench
) -> None:
    plan = bench.plan(
        system, measure="20 s", **{"repeat: 1\n": f"repeat: 1\n{OBJECTS}", "cooldown: 20 s": "cooldown: 5 s"}
    )
    outcome, document = bench.played(plan)
    assert outcome.code in {0, 1, 3}, outcome.stdout + outcome.stderr
    trial = only_trial(document)
    assert_counted(trial)
    kind = document["cases"][0]["system"]
    assert [use["change"] for use in trial["changes"]] == ["create", "update", "delete", "delete"]
    for use in trial["changes"]:
        assert (use["made"], use["places"], use["not_live"]) == (8, proxies, 0), use
        assert AT_LAST[use["change"]] in use["answers"]
        assert len(use["accepted_s"]) == 8
        assert len(use["status_s"]) == (8 if kind in HAS_STATUS and use["change"] != "delete" else 0)
    with RunReader.open(bench.bench.run_directory()) as reader:
        places = {one.place for one in reader.milestones(trial["order"]) if one.milestone == "stable"}
    # Each proxy by the name of its pod.
    assert len(places) == proxies
    assert places <= {member["member"] for member in trial["members"]} or not trial["members"]


@pytest.mark.parametrize(
    "system", [CONTOUR.replace("proxies: 2", "proxies: 1"), TRAEFIK], ids=["contour", "traefik"]
)
def test_over_tls_routes_by_path_change_beside_those_that_stay(system: str, bench: ClusterBench) -> None:
    """Contour tells hosts apart by the name of the handshake, and the load has one: its HTTPProxy names all others."""
    plan = bench.plan(
        system,
        measure="20 s",
        **{
            "repeat: 1\n": f"repeat: 1\n{OBJECTS}",
            "cooldown: 20 s": "cooldown: 5 s",
            "topology: {routes: 6,": "topology: {by: path, routes: 6,",
            "load: {": "load: {tls: yes, ",
        },
    )
    outcome, document = bench.played(plan)
    assert outcome.code in {0, 1, 3}, outcome.stdout + outcome.stderr
    trial = only_trial(document)
    # By the count of the listener for TLS.
    assert_counted(trial)
    assert trial["load"]["tls"]["versions"]
    assert trial["load"]["answers"]["unexpected"] == 0
    for use in trial["changes"]:
        assert (use["made"], use["places"], use["not_live"]) == (8, 1, 0), use
        assert AT_LAST[use["change"]] in use["answers"]
        has_status = document["cases"][0]["system"] in HAS_STATUS and use["change"] != "delete"
        assert len(use["status_s"]) == (8 if has_status else 0)


@SYSTEMS
def test_endpoints_are_replaced_and_who_answers_is_who_is_in_the_slice(
    system: str, proxies: int, bench: ClusterBench
) -> None:
    """kubectl is the judge: which endpoints each slice has, between which two looks it came to have others."""
    looks: list[tuple[float, dict[str, set[str]], float]] = []

    def look_on(_: Path) -> None:
        deadline_s = time.monotonic() + 25.0
        while time.monotonic() < deadline_s and not (looks and is_over(looks[-1][1])):
            began_s = time.monotonic()
            looks.append((began_s, slices(bench), time.monotonic()))

    changed = "objects: {of: endpoints, changes: [create, update], routes: 4, at_a_time: 2, rate: 1/s}\n"
    plan = bench.plan(
        system, measure="20 s", **{"repeat: 1\n": f"repeat: 1\n{changed}", "cooldown: 20 s": "cooldown: 5 s"}
    )
    outcome, document = bench.played(plan, look_on)
    assert outcome.code in {0, 1, 3}, outcome.stdout + outcome.stderr
    trial = only_trial(document)
    assert_counted(trial)
    created, updated = trial["changes"]
    for use in (created, updated):
        assert (use["made"], use["places"], use["not_live"]) == (4, proxies, 0), use
        assert len(use["accepted_s"]) == 4
    assert len(updated["status_s"]) == 0
    # Nobody else answered than who was in the slice before, and who was after.
    assert not {"elsewhere", "unmarked"} & updated["answers"].keys()
    assert updated["answers"]["before"] >= 1
    with RunReader.open(bench.bench.run_directory()) as reader:
        milestones = list(reader.milestones(trial["order"]))
    assert is_over(looks[-1][1]), looks[-1]
    for number in range(4):
        name = f"change-{number}"
        for generation in (1, 2):
            # No look need fall between two generations: one that has the later has had the earlier.
            first = next(at for at, (_, of, _) in enumerate(looks) if generation_of(number, of) >= generation)
            (accepted,) = [
                one for one in milestones
                if (one.subject, one.generation, one.milestone) == (name, generation, "accepted")
            ]  # fmt: skip
            assert accepted.after_s <= looks[first][2], (name, generation)
            if first:
                assert accepted.at_s >= looks[first - 1][0], (name, generation)


def slices(bench: ClusterBench) -> dict[str, set[str]]:
    """Return the endpoints of each service of the run, as the API server has them."""
    found: dict[str, set[str]] = {}
    for one in ask(bench.cluster, "endpointslices", "--all-namespaces", "-l", RUN_LABEL)["items"]:
        at = {
            f"{address}:{one['ports'][0]['port']}"
            for item in one["endpoints"]
            for address in item["addresses"]
        }
        found.setdefault(one["metadata"]["labels"]["kubernetes.io/service-name"], set()).update(at)
    return found


def generation_of(number: int, of: dict[str, set[str]]) -> int:
    """Return which generation of a route's endpoints there is; 0 where it has none."""
    has = of.get(f"change-{number}")
    return next((one for one in (1, 2) if has and has == of.get(f"service-{(number + one) % 3}")), 0)


def is_over(of: dict[str, set[str]]) -> bool:
    return all(generation_of(number, of) == 2 for number in range(4))


@pytest.mark.parametrize("turn", range(2))
def test_a_run_that_is_killed_amid_changes_leaves_nothing_that_clean_does_not_find(
    turn: int, bench: ClusterBench
) -> None:
    """Also from another machine, by the label alone; and what was seen until then is in the report."""
    churn = OBJECTS.replace("routes: 8", "routes: 8, rounds: 100")
    plan = bench.plan(CONTOUR, measure="2 min", **{"repeat: 1\n": f"repeat: 1\n{churn}"})
    with bench.start(plan, fresh=True) as running:
        run = bench.bench.run_directory(running)
        wait_for_answers(run)
        after_s = random.uniform(2.0, 8.0)
        time.sleep(after_s)
        running.signal(signal.SIGKILL)
        running.process.communicate()
    said = f"turn {turn}, killed after {after_s:.3f} s"
    assert len(bench.made()) > 10, said
    with bench.command("clean", "--on", "kubernetes", "--yes") as cleaning:
        outcome = cleaning.wait(ENDS_WITHIN_S)
    assert outcome.code == 0, said + outcome.stdout + outcome.stderr
    assert bench.made() == set(), said
    with bench.command("report", str(run)) as reporting:
        reporting.wait(START_LIMIT_S)
    (trial,) = trials(json.loads((run / "results.json").read_text())).values()
    assert trial["state"] == "cut off"
    assert sum(use["made"] for use in trial["changes"]) > 0
    with RunReader.open(run) as reader:
        recorded = sum(one.milestone == "asked" for one in reader.milestones(trial["order"]))
    assert sum(use["made"] for use in trial["changes"] if use["over"] in {"kept", ""}) == recorded
