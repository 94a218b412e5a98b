"""Whole runs on a real cluster: counts equal on every side, each system the same plan, and nothing left."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram
from tests.support.cluster_runs import CONTOUR, ENVOY_GATEWAY, MACHINE, TRAEFIK, ClusterBench
from tests.support.runs import Bench, codes, trials
from tools.cluster.layout import Cluster

from seatrial.record.reader import RunReader

WORKERS = 4
BODY_BYTES = 600
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


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


def assert_merged_as_one(run: Path, trial: dict[str, Any]) -> None:
    """What is reported of the workers' latencies is what one histogram says that was fed all of their samples."""
    one = HdrHistogram(1, 3_600_000_000, 3)
    workers = set()
    with RunReader.open(run) as reader:
        for frame in reader.frames(trial["order"]):
            for part in frame.parts:
                if part.phase == "measure":
                    workers.add(frame.worker)
                    # An interval in which nothing was answered has none.
                    if part.latency:
                        one.decode_and_add(part.latency)
    assert len(workers) == WORKERS
    found = trial["load"]["latency_us"]
    assert one.get_total_count() == found["count"] == 400
    for quantile in ("p50", "p90", "p99"):
        assert found[quantile] == pytest.approx(one.get_value_at_percentile(float(quantile[1:])), rel=0.001)


def tracked_on(cluster: Cluster, node: str) -> int:
    """Return how many connections the kernel of a node tracks, as it says there."""
    count = "/proc/sys/net/netfilter/nf_conntrack_count"
    words = ["ip", "netns", "exec", f"lab-{cluster.name}-{node}", "cat", count]
    return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def assert_networks_are_known(run: Path, trial: dict[str, Any], tracked: int) -> None:
    """What the proxies' node tracks is what it says itself, and what the pods carried the bodies and more."""
    with RunReader.open(run) as reader:
        looks = [look for look in reader.network_samples(trial["order"]) if look.node == "proxy"]
    seen = [look.values["conntrack_entries"] for look in looks]
    # There are always some that come and go.
    assert min(seen) * 0.8 <= tracked <= max(seen) * 1.25, (seen, tracked)
    networks = trial["kernel"]["networks"]
    known = {one["node"] for one in networks}
    # A node whose probe was late for all of this short window is named, and not known.
    assert known >= {"proxy", "origin"}
    assert "load" in known or trial["remarks"], trial
    sent = sum(
        sum(interface["sent_bytes"] for interface in one["interfaces"].values()) / one["covers_s"]
        for one in networks
        if one["pod"] and one["covers_s"] and "system" in one["roles"]
    )
    # Each body once to its client; headers and requests to the origin are less than thrice as much.
    assert 1 < sent / (trial["load"]["rate_per_s"]["achieved"] * BODY_BYTES) < 4


def test_a_plan_runs_through_contour_and_without_a_proxy(bench: ClusterBench) -> None:
    outcome, document = bench.played(bench.plan("direct", CONTOUR))
    assert outcome.code in {0, 3}, outcome.stdout + outcome.stderr
    found = trials(document)
    for trial in found.values():
        assert_merged_as_one(bench.bench.run_directory(), trial)
        assert codes(trial) <= MACHINE, trial["validity"]
        assert_counts_agree(trial)
    envoys = [member["member"] for member in found["contour"]["members"]]
    assert len(envoys) == 2
    assert all(name.startswith("envoy-") for name in envoys)


@pytest.mark.parametrize("system", [TRAEFIK, ENVOY_GATEWAY], ids=["traefik", "envoy-gateway"])
def test_the_same_plan_runs_through(system: str, bench: ClusterBench) -> None:
    tracked: list[int] = []
    outcome, document = bench.played(
        bench.plan(system), lambda _: tracked.append(tracked_on(bench.cluster, "proxy"))
    )
    assert outcome.code in {0, 3}, outcome.stdout + outcome.stderr
    (trial,) = trials(document).values()
    assert codes(trial) <= MACHINE, trial["validity"]
    assert_counts_agree(trial)
    assert_networks_are_known(bench.bench.run_directory(), trial, tracked[0])


def test_exactly_the_least_role_is_enough(bench: ClusterBench, tmp_path: Path) -> None:
    plan = bench.plan(TRAEFIK)
    with bench.command("check", str(plan), "--on", "kubernetes", "--rbac") as printing:
        role = printing.wait(30.0).stdout
    bench.kubectl("apply", "-f", "-", given=role)
    bench.kubectl("create", "serviceaccount", "least")
    bench.kubectl(
        "create", "clusterrolebinding", "least", "--clusterrole=seatrial", "--serviceaccount=default:least"
    )
    try:
        config = json.loads(bench.cluster.kubeconfig.read_text())
        config["users"][0]["user"] = {"token": bench.kubectl("create", "token", "least").strip()}
        least = tmp_path / "least"
        least.write_text(json.dumps(config))
        outcome, document = bench.played(plan, kubeconfig=least)
    finally:
        bench.kubectl("delete", "clusterrolebinding/least", "clusterrole/seatrial", "serviceaccount/least")
    (trial,) = trials(document).values()
    assert_counts_agree(trial)
    assert "not known: CPU" not in outcome.stdout
