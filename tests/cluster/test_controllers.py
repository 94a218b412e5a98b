"""Controllers of a real cluster: what they use and do is counted as others count it, and one that crashes is named."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster_runs import ClusterBench, only_trial
from tests.support.runs import Bench
from tests.support.shipped import shipped
from tools.cluster import node
from tools.cluster.images import catalogue, oci
from tools.cluster.images.contents import Entry
from tools.cluster.layout import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

SMALL = "cpus: 0.3, memory: 256 MiB, controller_cpus: 0.3, controller_memory: 256 MiB"
SHORTER = {
    "phases": "{stable_for: 1 s, warmup: 1 s, measure: 25 s, cooldown: 5 s}",
    "load": "{connections: 20, active: 4, rate: 50/s, timeout: 2 s, resolution: 10 ms}",
    "objects": "{routes: 10, at_a_time: 5, rounds: 2, probe_period: 20 ms, probe_rate: 400/s}",
}
CRASHES = "localhost/contour-that-crashes:1"
SCRIPT = """#!/bin/sh
# The real Contour. Once two Envoys have its streams, and it has built its DAG anew a few times more than they took to
# come up, it is hit by what Go makes a crash of: contour#523 was one that needed several streams and churn.
real=/usr/local/bin/contour-itself
[ "$1" = serve ] || exec "$real" "$@"
"$real" "$@" &
pid=$!
trap 'kill "$pid"' TERM
before=
while kill -0 "$pid" 2>/dev/null; do
  sleep 0.5
  now=$(/bin/busybox awk '$2 ~ /:1F41$/ && $4 == "01" { print $3 }' /proc/net/tcp /proc/net/tcp6)
  streams=0
  for peer in $now; do
    case " $before " in *" $peer "*) streams=$((streams + 1)) ;; esac
  done
  # A kubelet that asks whether it is ready connects there, too, and for a moment: a stream is there at two looks.
  before=$(echo $now)
  [ "$streams" -ge 2 ] || continue
  changes=$(timeout 2 /bin/busybox wget -q -O - http://127.0.0.1:8000/metrics |
    grep '^contour_eventhandler_operation_total.*HTTPProxy.*"delete"' | grep -o '[0-9]*$')
  [ "${changes:-0}" -ge 5 ] && kill -SEGV "$pid"
done
wait "$pid"
"""
"""A counter of the log: how many HTTPProxies were deleted. Each life of it crashes once it has seen five."""


@pytest.fixture
def bench(cluster: Any, tmp_path: Path) -> ClusterBench:
    return ClusterBench(cluster, Bench(tmp_path))


def plan_of(bench: ClusterBench, system: str) -> Path:
    """Write the plan that comes along, short, with one system of its kind."""
    text = shipped("controllers", **SHORTER)
    text, count = re.subn(r"systems:\n(  - .*\n)+", f"systems: [{system}]\n", text)
    assert count == 1
    plan = bench.bench.directory / "plan.yaml"
    plan.write_text(
        text
        + "kubernetes: {worker_cpus: 0.2, worker_memory: 128 MiB, origin_cpus: 0.2, origin_memory: 128 MiB}\n"
    )
    return plan


def holds(document: dict[str, Any], metric: str) -> bool:
    """Return whether none of it was counted, by the verdict."""
    (case,) = document["cases"]
    (found,) = [one for one in case["verdict"]["objectives"] if one["objective"] == f"{metric} == 0"]
    return bool(found["held"])


@dataclass(frozen=True, slots=True)
class ApiServer:
    """What the API server counts itself: statuses written of a kind and of all custom ones, and what was deleted."""

    routes_status: float
    every_status: float
    deleted: float
    deleting_s: float

    @classmethod
    def asked(cls, bench: ClusterBench, resource: str) -> ApiServer:
        """Read its metrics."""
        found: defaultdict[str, float] = defaultdict(float)
        for line in bench.kubectl("get", "--raw", "/metrics").splitlines():
            series, _, value = line.rpartition(" ")
            name, labels = series.partition("{")[0], dict(re.findall(r'(\w+)="([^"]*)"', series))
            is_custom, is_route = "." in labels.get("group", ""), labels.get("resource") == resource
            is_write = labels.get("verb") in {"PUT", "PATCH", "APPLY"} and labels.get("code") == "200"
            if (
                name == "apiserver_request_total"
                and labels["subresource"] == "status"
                and is_write
                and is_custom
            ):
                found["every status"] += float(value)
                found["routes' status"] += float(value) * is_route
            if is_route and (labels.get("verb"), labels.get("scope")) == ("DELETE", "resource"):
                found[name] += float(value)
        seconds = "apiserver_request_duration_seconds"
        return cls(
            found["routes' status"], found["every status"], found[f"{seconds}_count"], found[f"{seconds}_sum"]
        )

    def since(self, before: ApiServer) -> ApiServer:
        """Return what it counted since then."""
        return ApiServer(
            self.routes_status - before.routes_status,
            self.every_status - before.every_status,
            self.deleted - before.deleted,
            self.deleting_s - before.deleting_s,
        )


@pytest.mark.parametrize(
    ("system", "resource"),
    [("contour", "httpproxies"), ("envoy-gateway", "httproutes")],
    ids=["contour", "envoy-gateway"],
)
def test_what_a_controller_did_is_what_others_count_of_it(
    system: str, resource: str, bench: ClusterBench
) -> None:
    before = ApiServer.asked(bench, resource)
    proxies = 2 if system == "contour" else 1
    outcome, document = bench.played(plan_of(bench, f"{system}: {{proxies: {proxies}, {SMALL}}}"))
    counted = ApiServer.asked(bench, resource).since(before)
    assert outcome.code in {0, 3}, outcome.stdout + outcome.stderr
    trial = only_trial(document)
    (controller,) = trial["controllers"]
    assert controller["member"].startswith(f"{system}-"), outcome.stdout
    assert (controller["restarts"], controller["panics"], controller["why"]) == (0, 0, "")
    made = sum({use["change"]: use["made"] for use in trial["changes"]}.values())
    assert made == 60
    # 40 of the changes have a status of their own, each given after it was asked for. Of the 20 routes that stay most
    # are written before the load.
    for use in trial["changes"]:
        if use["change"] != "delete":
            assert len(use["status_s"]) == 20
            assert min(use["status_s"]) > 0
    assert controller["status_updates"] >= 40
    # Of a Gateway it writes how many routes it has.
    updates = controller["status_updates"]
    assert counted.routes_status - 20 <= updates <= counted.every_status, (counted, controller)
    # What the API server took for each, and the way there and back.
    deletes = next(use for use in trial["changes"] if use["change"] == "delete")["accepted_s"]
    assert len(deletes) == counted.deleted == 20
    assert counted.deleting_s <= sum(deletes) <= counted.deleting_s + 20 * 0.2, (counted, deletes)
    assert controller["rebuilds"] >= 6
    assert controller["goroutines_max"] > 10
    assert controller["heap_bytes_max"] > 5e6
    role = trial["resources"]["roles"]["controller"]
    # The heap is a part of what its container holds.
    assert role["processes"] == 1
    assert role["memory_measure"] == "working set"
    assert 20e6 < role["working_set_bytes_max"] < 256 << 20
    assert role["working_set_bytes_max"] > controller["heap_bytes_max"] / 2
    assert holds(document, "restarts")
    assert holds(document, "panics")
    # And its proxies are the members of the system, alone.
    assert all(not name.startswith(controller["member"]) for name in trial["resources"]["members"])
    assert all(use["places"] == proxies for use in trial["changes"])


@pytest.fixture
def crashing(cluster: Cluster, tmp_path: Path) -> str:
    """Have the cluster's nodes have a Contour that crashes under churn, as long as two Envoys listen to it."""
    real = catalogue.CONTOUR.recipe(catalogue.CONTOUR.reference)
    toolbox = catalogue.TOOLBOX.recipe(catalogue.TOOLBOX.reference)
    assert real is not None
    assert toolbox is not None
    script = tmp_path / "contour"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    program = "/usr/local/bin/contour"
    contents = {
        **toolbox.contents,
        **real.contents,
        f"{program}-itself": real.contents[program],
        program: Entry(script),
    }
    image = oci.write(oci.Recipe(CRASHES, contents, (program,)), tmp_path / "image")
    for one in cluster.nodes:
        node.import_images(one, [image])
    return CRASHES


def test_a_controller_that_crashes_under_churn_is_found_by_the_plan_that_comes_along(
    crashing: str, bench: ClusterBench
) -> None:
    outcome, document = bench.played(plan_of(bench, f"contour: {{proxies: 2, image: '{crashing}', {SMALL}}}"))
    trial = only_trial(document)
    (controller,) = trial["controllers"]
    assert controller["restarts"] >= 1, outcome.stdout
    assert controller["panics"] >= 1
    assert controller["panic"].startswith("SIGSEGV: segmentation violation")
    for metric in ("restarts", "panics"):
        assert not holds(document, metric)
    assert outcome.code in {1, 3}
    assert f"its controller {controller['member']} ended and was started again" in outcome.stdout
    # Why is kept: in the log that was written before.
    kept = list((bench.bench.run_directory() / "logs").glob("**/*contour-before-restart.log"))
    assert any("SIGSEGV" in log.read_text() for log in kept)


def test_with_one_proxy_the_same_controller_lives(crashing: str, bench: ClusterBench) -> None:
    _, document = bench.played(plan_of(bench, f"contour: {{proxies: 1, image: '{crashing}', {SMALL}}}"))
    (controller,) = only_trial(document)["controllers"]
    assert (controller["restarts"], controller["panics"]) == (0, 0)
