"""Routes that are changed as objects of a real cluster: live at every proxy, gone again, and every probe counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.local.test_objects import AT_LAST, assert_counted
from tests.support.cluster_runs import CONTOUR, ENVOY_GATEWAY, TRAEFIK, ClusterBench, only_trial
from tests.support.runs import Bench

from seatrial.record.reader import RunReader

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

OBJECTS = "objects: {routes: 8, at_a_time: 2, probe_period: 20 ms, probe_rate: 400/s, stable_after: 3}\n"
HAS_STATUS = {"contour", "envoy-gateway"}
"""An Ingress, which is what Traefik is given, has no status of its own."""


@pytest.fixture
def bench(cluster: Any, tmp_path: Path) -> ClusterBench:
    return ClusterBench(cluster, Bench(tmp_path))


@pytest.mark.parametrize(
    ("system", "proxies"),
    [(CONTOUR, 2), (ENVOY_GATEWAY, 1), (TRAEFIK, 1)],
    ids=["contour", "envoy-gateway", "traefik"],
)
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
