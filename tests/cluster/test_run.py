"""Whole runs on a real cluster: counts equal on every side, each system the same plan, and nothing left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster_runs import CONTOUR, ENVOY_GATEWAY, TRAEFIK, ClusterBench, cluster_of
from tests.support.runs import Bench, trials

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with cluster_of("run") as made:
        yield made


@pytest.fixture
def bench(cluster: Any, tmp_path: Path) -> ClusterBench:
    return ClusterBench(cluster, Bench(tmp_path))


def assert_counts_agree(trial: dict[str, Any]) -> None:
    """Workers, proxies and origins have counted the same, and every route and endpoint was reached."""
    counts = trial["counts"]
    sent = counts["generator_completed"]
    assert sent >= 400
    assert counts["system_requests"] in {None, sent}
    assert counts["system_upstream_requests"] in {None, sent}
    assert counts["origin_requests"] == sent
    assert trial["reached"] == {"routes": 6, "routes_reached": 6, "endpoints": 6, "endpoints_reached": 6}


def test_a_plan_runs_through_contour_and_without_a_proxy(bench: ClusterBench) -> None:
    outcome, document = bench.played(bench.plan("direct", CONTOUR))
    assert outcome.code == 0, outcome.stdout + outcome.stderr
    found = trials(document)
    for trial in found.values():
        assert trial["validity"]["state"] == "VALID", trial["validity"]
        assert_counts_agree(trial)
    envoys = [member["member"] for member in found["contour"]["members"]]
    assert len(envoys) == 2
    assert all(name.startswith("envoy-") for name in envoys)


@pytest.mark.parametrize("system", [TRAEFIK, ENVOY_GATEWAY], ids=["traefik", "envoy-gateway"])
def test_the_same_plan_runs_through(system: str, bench: ClusterBench) -> None:
    outcome, document = bench.played(bench.plan(system))
    assert outcome.code == 0, outcome.stdout + outcome.stderr
    (trial,) = trials(document).values()
    assert trial["validity"]["state"] == "VALID", trial["validity"]
    assert_counts_agree(trial)
