"""Plans that meet a limit on a real cluster, of a pod or of the system's own: who met it is named, and whose it is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster_runs import MACHINE, ClusterBench, only_trial
from tests.support.runs import Bench, codes
from tools.cluster.layout import CONTROL_ADDRESS, Node

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

LITTLE = "controller_cpus: 0.3, controller_memory: 256 MiB"
GROUPS = Path("/sys/fs/cgroup")
MEMORY, LIMIT = (
    (GROUPS / "memory", "memory.limit_in_bytes") if (GROUPS / "memory").exists() else (GROUPS, "memory.max")
)
"""Control groups of version 1, or of version 2, where all resources have one tree."""
SQUEEZE_LIMIT_S = 30.0


@pytest.fixture
def bench(cluster: Any, tmp_path: Path) -> ClusterBench:
    return ClusterBench(cluster, Bench(tmp_path))


def said_of(document: dict[str, Any]) -> str:
    """Return every reason why the trial is not believed."""
    return " ".join(reason["text"] for reason in only_trial(document)["validity"]["reasons"])


def squeeze(node: Node, pod: dict[str, Any]) -> None:
    """Fill the memory of a pod's container up to its limit, from within its control group, until the kernel kills."""
    (status,) = pod["status"]["containerStatuses"]
    container = status["containerID"].rpartition("/")[2]
    (group,) = (MEMORY / node.cgroup.lstrip("/")).rglob(container)
    # The kernel takes what is largest: what fills the memory is, and is meant to be the last to go.
    for pid in (group / "cgroup.procs").read_text().split():
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")
    limit = int((group / LIMIT).read_text())
    subprocess.run(
        [sys.executable, "-c", SQUEEZING, str(group / "cgroup.procs"), str(2 * limit)],
        check=False,
        timeout=SQUEEZE_LIMIT_S,
    )


SQUEEZING = """
import os, sys
with open(sys.argv[1], "w") as processes:
    processes.write(str(os.getpid()))
held = bytes([1]) * int(sys.argv[2])
"""


def test_a_worker_that_is_oom_killed_is_named_with_why(bench: ClusterBench) -> None:
    killed: list[str] = []

    def kill(_: Path) -> None:
        pod = bench.pods("worker")[0]
        squeeze(bench.cluster.nodes[0], pod)
        killed.append(pod["metadata"]["name"])

    system = f"contour: {{proxies: 1, cpus: 0.3, memory: 256 MiB, {LITTLE}}}"
    outcome, document = bench.played(bench.plan(system, measure="8 s"), kill)
    assert outcome.code == 3
    assert "generator.lost" in codes(only_trial(document))
    for text in (said_of(document), outcome.stdout):
        assert f"(pod {killed[0]} on node load) was OOM-killed" in text


def test_a_proxy_with_too_little_memory_is_the_systems_fault(bench: ClusterBench) -> None:
    # An Envoy takes 20 MB before the first connection, and 9 kB for each.
    system = f"contour: {{proxies: 1, cpus: 0.5, memory: 64 MiB, {LITTLE}}}"
    many = {"connections: 40,": "connections: 8k,", "connect_rate: 500/s": "connect_rate: 1k/s"}
    outcome, document = bench.played(bench.plan(system, **many))
    assert outcome.code == 3
    assert codes(only_trial(document)) >= {"system.died"}
    assert "it took more memory than its limit" in said_of(document)
    assert_only_cause(document, "system.died")
    assert "it took more memory than its limit" in outcome.stdout
    assert "give each of its pods more memory" in outcome.stdout
    assert "give it the time to come to its window" not in outcome.stdout


def test_a_proxy_that_its_cpu_limit_holds_back_is_said_to_be(bench: ClusterBench) -> None:
    system = f"contour: {{proxies: 1, cpus: 0.05, memory: 256 MiB, {LITTLE}}}"
    more = {"rate: 100/s": "rate: 400/s", "active: 8,": "active: 40,", "timeout: 2 s": "timeout: 10 s"}
    # A kubelet looks at a pod when it pleases, and twice in the phase it has to.
    outcome, document = bench.played(bench.plan(system, measure="8 s", **more))
    assert codes(only_trial(document)) <= MACHINE, said_of(document)
    assert "its own CPU limit held back envoy-" in outcome.stdout


def test_circuit_breakers_at_their_default_are_named_where_they_are_met(bench: ClusterBench) -> None:
    # Answers take five seconds: 1,500 requests are under way, and 1,024 connections lead to a service.
    system = f"contour: {{proxies: 1, cpus: 0.5, memory: 256 MiB, limits: default, {LITTLE}}}"
    changes = {
        "body: 600 B,": "body: 600 B, delay: 5 s,",
        "routes: 6, services: 3, endpoints: 2": "routes: 1, services: 1, endpoints: 2",
        "connections: 40, active: 8,": "connections: 0, active: 2000,",
        "rate: 100/s": "rate: 300/s",
        "timeout: 2 s": "timeout: 20 s",
        "warmup: 1 s": "warmup: 4 s",
        "connect_rate: 500/s": "connect_rate: 1k/s",
    }
    outcome, document = bench.played(bench.plan(system, **changes))
    assert codes(only_trial(document)) <= MACHINE, said_of(document)
    met = {one["counter"] for one in only_trial(document)["limits_met"]}
    assert "cluster.upstream_cx_overflow" in met
    assert (
        "its own limits were met: circuit_breakers.max_connections, which is 1,024 by default"
        in outcome.stdout
    )


def test_a_service_that_is_removed_meanwhile_is_a_change_of_the_system(bench: ClusterBench) -> None:
    def remove(_: Path) -> None:
        # The service of every other route.
        namespace = bench.pods("envoy")[0]["metadata"]["namespace"]
        bench.kubectl("-n", namespace, "delete", "service", "service-0")

    system = f"contour: {{proxies: 1, cpus: 0.3, memory: 256 MiB, {LITTLE}}}"
    half = {"routes: 6, services: 3, endpoints: 2": "routes: 6, services: 2, endpoints: 2"}
    outcome, document = bench.played(bench.plan(system, measure="8 s", **half), remove)
    assert outcome.code == 3
    assert_only_cause(document, "system.reconfigured")
    assert re.search(r"[1-9]\d* of [\d,]+ answers were 503", outcome.stdout)


def test_routes_that_no_controller_takes_are_named_and_nothing_is_measured(bench: ClusterBench) -> None:
    system = f"ingress: {{class: nobody, address: {CONTROL_ADDRESS}}}"
    outcome, document = bench.played(bench.plan(system))
    assert outcome.code == 3
    assert_only_cause(document, "system.failed")
    for text in (said_of(document), outcome.stdout):
        assert "6 of 6 routes are dead: route-0 gave no answer" in text
        assert "none serves the class nobody" in text


def assert_only_cause(document: dict[str, Any], code: str) -> None:
    """Every reason is this one, follows from it, or says that the machine was busy."""
    reasons = only_trial(document)["validity"]["reasons"]
    own = {reason["code"] for reason in reasons if reason.get("because") is None}
    assert own - MACHINE == {code}, reasons
