"""`check`, and a dry run of what is left of a run, on a real cluster: what they look at. Nothing is made there."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.support import clusters
from tests.support.cluster_runs import ClusterBench
from tests.support.made_run import Twist
from tests.support.made_trials import happened
from tests.support.runs import START_LIMIT_S, Bench
from tools.cluster import objects
from tools.cluster.images import catalogue

from seatrial.cluster.access import open_cluster
from seatrial.cluster.connection.kubeconfig import Where
from seatrial.cluster.nodes import NodeFacts, nodes_of, quantity
from seatrial.cluster.pods.reserved import with_reserved
from seatrial.errors import ExitCode
from seatrial.plan.cases import compile_cases
from seatrial.plan.read import read_given_plan
from seatrial.plan.shown.compiled import compiled_document
from seatrial.record import events
from seatrial.record.environment import describe
from seatrial.record.writer import RunWriter
from seatrial.run.agenda import Agenda

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
SERVER_BEFORE = "https://192.0.2.1:6443"


@pytest.fixture
def bench(cluster: Any, tmp_path: Path) -> ClusterBench:
    return ClusterBench(cluster, Bench(tmp_path))


def test_a_plan_that_names_a_cluster_is_held_against_its_nodes(bench: ClusterBench) -> None:
    plan = bench.plan("direct")
    with bench.command("check", str(plan), "--json", "-") as checking:
        outcome = checking.wait(START_LIMIT_S)
    document = outcome.document
    assert (outcome.code, document["fits"], document["plan"]) == (ExitCode.PASS, True, "on-cluster")
    assert document["cluster"]["kubeconfig"] == str(bench.cluster.kubeconfig)
    found = {finding["code"]: finding["text"] for finding in document["findings"]}
    assert found["nodes-load"].startswith("load: 1.1 CPUs and 704 MiB asked for")
    assert document["network"] == []


def reserving() -> dict[str, Any]:
    """Return a pod that reserves most while it starts: a sidecar, and beside it one of 1.2 CPUs that ends."""
    pod = clusters.pod("reserving", "load", catalogue.TOOLBOX.reference, "/bin/sleep", "300")
    (main,) = pod["spec"]["containers"]
    main["resources"] = {"requests": {"cpu": "250m", "memory": "300Mi"}}
    pod["spec"]["initContainers"] = [
        {**main, "name": "beside", "restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}},
        {**main, "name": "first", "command": ["/bin/true"], "resources": {"requests": {"cpu": "1200m"}}},
    ]
    return pod


def test_what_others_reserve_of_a_node_is_not_free_there(bench: ClusterBench) -> None:
    """The judge is kubectl, which adds up what a node has given away."""
    manifest = json.dumps(reserving())
    objects.kubectl(bench.cluster, "apply", "-f", "-", given=manifest)
    try:
        clusters.eventually(
            lambda: "nodeName" in clusters.ask(bench.cluster, "pod", "reserving")["spec"], "it has a node"
        )

        async def read() -> NodeFacts:
            async with open_cluster(Where(str(bench.cluster.kubeconfig))) as client:
                (node,) = [one for one in await nodes_of(client) if one.name == "load"]
                (found,) = await with_reserved(client, [node])
                return found

        found = asyncio.run(read())
        described = objects.kubectl(bench.cluster, "describe", "node", "load").partition(
            "Allocated resources:"
        )[2]
        given = dict(re.findall(r"^\s+(cpu|memory)\s+(\S+)", described, re.MULTILINE))
        assert found.reserved_cpus == pytest.approx(quantity(given["cpu"]))
        assert found.reserved_memory_bytes == quantity(given["memory"])
        # Other tests of this cluster may have pods there.
        assert found.reserved_cpus > 1.29
        with bench.command("check", str(bench.plan("direct")), "--json", "-") as checking:
            document = checking.wait(START_LIMIT_S).document
        text = {finding["code"]: finding["text"] for finding in document["findings"]}["nodes-load"]
        assert f"{found.free_cpus:g} and " in text
        assert f" free of {found.cpus:g} and " in text
    finally:
        objects.kubectl(bench.cluster, "delete", "-f", "-", "--wait=true", given=manifest)


def begun_run(bench: ClusterBench, plan: Path) -> Path:
    """Return a run that was killed after its first trial, on a cluster that was another."""
    given = read_given_plan(plan)
    cases = compile_cases(given.plan)
    compiled = json.dumps(compiled_document(given.plan, cases, given.scale))
    trial = Agenda(given.plan, cases).next([])
    assert trial is not None
    with RunWriter.create(bench.bench.runs, given.plan.name, given.text, compiled) as writer:
        writer.append(events.RunStarted(writer.path.name, given.plan.name, 2))
        writer.environment({**describe({}), "cluster": {"server": SERVER_BEFORE}})
        for event in happened(trial, Twist()):
            writer.append(event)
    return writer.path


def test_what_is_left_of_a_run_is_held_against_the_cluster(bench: ClusterBench) -> None:
    run = begun_run(bench, bench.plan("direct", **{"repeat: 1": "repeat: 2"}))
    with bench.command("run", "--resume", str(run), "--dry-run") as looking:
        refused = looking.wait(START_LIMIT_S)
    assert refused.code == ExitCode.ENVIRONMENT
    assert "1 of 2 planned trials are there" in refused.stdout
    assert "ok      nodes-load" in refused.stdout
    assert f"refuse  environment   not as it was: cluster server: {SERVER_BEFORE}, then" in refused.stdout
    with bench.command("run", "--resume", str(run), "--dry-run", "--allow-changed-environment") as looking:
        assert looking.wait(START_LIMIT_S).code == ExitCode.PASS
