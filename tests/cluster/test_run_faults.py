"""What befalls a run on a real cluster: each time the right verdict that names it, an end in time, and nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster_runs import CONTOUR, ENDS_WITHIN_S, MACHINE, ClusterBench, only_trial, relayed
from tests.support.clusters import ask, eventually, pod
from tests.support.program import Outcome
from tests.support.runs import Bench, codes, results, wait_for_answers
from tools.cluster import objects, processes
from tools.cluster import up as starting
from tools.cluster.images.catalogue import SEATRIAL
from tools.cluster.layout import Node

from seatrial.cluster.leftovers import REMOVAL_LIMIT_S

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

LONG, LONGER = "9 s", "12 s"
AT_ONCE = ("--grace-period=0", "--force")
AWAY_S = 20.0
DEAD_NODE_LIMIT_S = REMOVAL_LIMIT_S + 180.0
"""Beside the removal, which takes all of its time, workers and their counts are waited for."""


@pytest.fixture
def bench(cluster: Any, tmp_path: Path) -> ClusterBench:
    return ClusterBench(cluster, Bench(tmp_path))


def delete_pod(bench: ClusterBench, role: str) -> str:
    """Delete a pod of a role, and return its name."""
    metadata = bench.pods(role)[0]["metadata"]
    bench.kubectl("-n", metadata["namespace"], "delete", "pod", metadata["name"], *AT_ONCE)
    return str(metadata["name"])


def assert_names(
    document: dict[str, Any], outcome: Outcome, code: str, *words: str, exit_code: int = 3
) -> None:
    """The trial is INVALID, for this reason, and the reason and what a person reads have these words."""
    trial = only_trial(document)
    assert trial["validity"]["state"] == "INVALID"
    assert code in codes(trial), trial["validity"]
    said = " ".join(reason["text"] for reason in trial["validity"]["reasons"])
    for word in words:
        assert word in said
        assert word in outcome.stdout
    assert outcome.code == exit_code


def assert_whole(trial: dict[str, Any]) -> None:
    """Nothing is wrong but what a busy machine does, and all sides have counted the same."""
    assert codes(trial) <= MACHINE, trial["validity"]
    sent = trial["counts"]["generator_completed"]
    assert sent == trial["counts"]["system_requests"] == trial["counts"]["origin_requests"]


def test_a_worker_pod_that_is_deleted_is_named(bench: ClusterBench) -> None:
    gone: list[str] = []
    outcome, document = bench.played(
        bench.plan(CONTOUR, measure=LONG), lambda _: gone.append(delete_pod(bench, "worker"))
    )
    assert_names(document, outcome, "generator.lost", gone[0], "was deleted")


def test_a_worker_pod_that_is_evicted_is_named(bench: ClusterBench) -> None:
    evicted: list[str] = []

    def evict(_: Path) -> None:
        metadata = bench.pods("worker")[0]["metadata"]
        where = {"namespace": metadata["namespace"], "name": metadata["name"]}
        bench.evict(where)
        evicted.append(where["name"])

    outcome, document = bench.played(bench.plan(CONTOUR, measure=LONG), evict)
    assert_names(document, outcome, "generator.lost", evicted[0], "was evicted")


def test_a_job_that_is_deleted_takes_all_workers_with_it(bench: ClusterBench) -> None:
    def delete(_: Path) -> None:
        metadata = bench.pods("worker")[0]["metadata"]
        bench.kubectl("-n", metadata["namespace"], "delete", "job", "worker-1", *AT_ONCE)

    outcome, document = bench.played(bench.plan(CONTOUR, measure=LONG), delete)
    assert_names(document, outcome, "generator.lost", "was deleted", "others with it")


def test_a_proxy_pod_that_is_deleted_is_named(bench: ClusterBench) -> None:
    gone: list[str] = []
    outcome, document = bench.played(
        bench.plan(CONTOUR, measure=LONG), lambda _: gone.append(delete_pod(bench, "envoy"))
    )
    assert_names(document, outcome, "system.died", gone[0], "has gone")


def test_an_origin_pod_that_is_deleted_is_named(bench: ClusterBench) -> None:
    gone: list[str] = []
    outcome, document = bench.played(
        bench.plan(CONTOUR, measure=LONG), lambda _: gone.append(delete_pod(bench, "origin"))
    )
    assert_names(document, outcome, "system.died", gone[0], "was deleted")


def test_a_run_outlives_its_api_server(bench: ClusterBench) -> None:
    def end(_: Path) -> None:
        os.kill(processes.recorded(bench.cluster)["kube-apiserver"], signal.SIGKILL)
        time.sleep(AWAY_S)
        starting.up(bench.cluster, print)

    outcome, document = bench.played(bench.plan(CONTOUR, measure="30 s"), end)
    assert_whole(only_trial(document))
    assert outcome.code in {0, 3}


def test_streams_that_are_cut_cost_nothing(bench: ClusterBench, tmp_path: Path) -> None:
    cut: list[int] = []
    with relayed(bench.cluster, tmp_path) as (kubeconfig, cut_all):

        def cut_twice(_: Path) -> None:
            for _again in range(2):
                cut.append(cut_all())
                time.sleep(1)

        plan = bench.plan(CONTOUR, measure=LONG)
        _, document = bench.played(plan, cut_twice, kubeconfig=kubeconfig)
    # The logs of workers, origins and probe, their ways in, and what is watched.
    assert cut[0] > 2 * 4
    assert_whole(only_trial(document))


@pytest.mark.parametrize("role", ["load", "proxy"])
def test_a_node_that_is_cut_off_for_a_while_is_named(bench: ClusterBench, role: str) -> None:
    def cut_off(_: Path) -> None:
        ip = ("ip", "-n", f"lab-{bench.cluster.name}-control", "link", "set", role)
        subprocess.run([*ip, "down"], check=True)
        try:
            time.sleep(AWAY_S)
        finally:
            subprocess.run([*ip, "up"], check=True)

    outcome, document = bench.played(bench.plan(CONTOUR, measure="30 s"), cut_off)
    assert_names(document, outcome, "environment.node_away", f"{role} (with pods of the ")


def test_workers_are_kept_off_the_nodes_of_proxies(bench: ClusterBench) -> None:
    # Of three nodes one is left: proxies come there first.
    for name in ("load", "origin"):
        bench.kubectl("cordon", name)
    try:
        outcome, document = bench.played(
            bench.plan(CONTOUR, **{"kubernetes: {": "kubernetes: {nodes: any, "})
        )
    finally:
        for name in ("load", "origin"):
            bench.kubectl("uncordon", name)
    trial = only_trial(document)
    assert trial["validity"]["state"] == "INVALID"
    assert "0 of 4 worker pods are running" in outcome.stdout
    assert "anti-affinity" in outcome.stdout


def test_a_name_that_does_not_resolve_is_refused(bench: ClusterBench) -> None:
    system = "ingress: {class: nobody, address: ingress.invalid}"
    outcome, document = bench.played(bench.plan(system))
    assert only_trial(document)["validity"]["state"] == "INVALID"
    assert "the name ingress.invalid" in outcome.stdout
    assert "does not resolve" in outcome.stdout


def test_ctrl_c_ends_it_in_order(bench: ClusterBench) -> None:
    with bench.start(bench.plan(CONTOUR, measure="2 min")) as running:
        wait_for_answers(bench.bench.run_directory())
        running.signal(signal.SIGINT)
        outcome = running.wait(ENDS_WITHIN_S)
    assert outcome.code == 130
    assert bench.made() == set()
    assert only_trial(results(bench.bench.run_directory()))["state"] == "cut off"


def test_ctrl_c_is_heard_while_pods_come_up(bench: ClusterBench) -> None:
    # No node has an image of that name: the probe never runs, which would be waited for for two minutes.
    plan = bench.plan(CONTOUR, **{"kubernetes: {": "kubernetes: {image: registry.invalid/none:1, "})
    with bench.start(plan) as running:
        run = bench.bench.run_directory(running)
        eventually(lambda: bool(bench.pods("probe")), "there is a probe")
        running.signal(signal.SIGINT)
        outcome = running.wait(60.0)
    assert outcome.code == 130, outcome
    assert bench.made() == set()
    assert results(run)["run"]["state"] == "interrupted"


def test_a_probe_that_is_lost_is_made_again(bench: ClusterBench) -> None:
    plan = bench.plan(CONTOUR, measure="2 s", **{"repeat: 1": "repeat: 2", "cooldown: 20 s": "cooldown: 1 s"})
    gone: list[str] = []
    outcome, document = bench.played(plan, lambda _: gone.append(delete_pod(bench, "probe")))
    assert f"the probe was lost: pod {gone[0]}" in outcome.stderr
    first, second = document["cases"][0]["trials"]
    assert_whole(first)
    assert_whole(second)


@pytest.mark.parametrize(
    "flags", [(), ("--on", "kubernetes", "--yes")], ids=["by-its-record", "by-its-label"]
)
def test_what_a_killed_run_has_made_is_removed_by_clean(bench: ClusterBench, flags: tuple[str, ...]) -> None:
    with bench.start(bench.plan(CONTOUR, measure="2 min"), fresh=True) as running:
        wait_for_answers(bench.bench.run_directory())
        running.signal(signal.SIGKILL)
        running.process.communicate()
    assert len(bench.made()) > 10
    with bench.command("clean", *flags) as cleaning:
        outcome = cleaning.wait(ENDS_WITHIN_S)
    assert outcome.code == 0, outcome.stdout + outcome.stderr
    assert bench.made() == set()


def test_a_node_that_dies_is_named_and_what_is_left_there_is_removed_later(bench: ClusterBench) -> None:
    plan = bench.plan(CONTOUR, measure=LONG, **{"cooldown: 20 s": "cooldown: 2 s"})
    with bench.start(plan) as running:
        run = bench.bench.run_directory(running)
        wait_for_answers(run)
        for name in ("kubelet-load", "containerd-load"):
            os.kill(processes.recorded(bench.cluster)[name], signal.SIGKILL)
        try:
            # What is on it cannot be removed: that is said after two minutes, and costs this test as much.
            outcome = running.wait(DEAD_NODE_LIMIT_S)
        finally:
            starting.up(bench.cluster, print)
    document = results(run)
    assert_names(document, outcome, "environment.node_away", "load (with pods of the generator", exit_code=4)
    assert "generator.lost" in codes(only_trial(document))
    assert "on node load: see whether a kubelet runs there" in outcome.stderr
    assert "seatrial clean" in outcome.stderr
    with bench.command("clean") as cleaning:
        cleaned = cleaning.wait(ENDS_WITHIN_S)
    assert cleaned.code == 0, cleaned.stdout + cleaned.stderr
    assert bench.made() == set()


def test_a_node_whose_memory_is_filled_keeps_our_pods(bench: ClusterBench) -> None:
    # All that they use is reserved for them, so the kernel takes it from who has reserved nothing.
    hog = pod("hog", "load", SEATRIAL.reference, "/usr/local/bin/python3", "-c", HOG)
    with little_memory(bench.cluster.nodes[0], HOG_BYTES // 2):
        try:
            _, document = bench.played(
                bench.plan(CONTOUR, measure=LONGER), lambda _: objects.apply(bench.cluster, [hog])
            )
            (container,) = ask(bench.cluster, "pod", "hog")["status"]["containerStatuses"]
        finally:
            bench.kubectl("delete", "pod", "hog", "--ignore-not-found", *AT_ONCE)
    ends = (container["state"], container["lastState"])
    assert any(end.get("terminated", {}).get("reason") == "OOMKilled" for end in ends), ends
    assert_whole(only_trial(document))


HOG_BYTES = 2 << 30
HOG = f"import time; held = bytes([1]) * {HOG_BYTES}; time.sleep(120)"


@contextmanager
def little_memory(node: Node, more_bytes: int) -> Iterator[None]:
    """Have a node with no more memory than it uses, and so much; no kubelet of this lab evicts for want of memory."""
    group = Path("/sys/fs/cgroup/memory", node.cgroup.lstrip("/"))
    if not group.exists():
        pytest.skip("no control groups of version 1 here")
    used_bytes = int((group / "memory.usage_in_bytes").read_text())
    limit = group / "memory.limit_in_bytes"
    limit.write_text(str(used_bytes + more_bytes))
    try:
        yield
    finally:
        limit.write_text("-1")
