"""Runs of small plans on a cluster: started as a person would, disturbed, and looked for afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.clusters import ask, need_cluster, own_cluster
from tests.support.program import Outcome, Running
from tests.support.relay import Relay, relay
from tests.support.runs import Bench, results, trials, wait_for_answers
from tools.cluster import objects
from tools.cluster.layout import API_PORT, Cluster

RUN_LABEL = "seatrial.dev/run"
ENDS_WITHIN_S = 240.0
KINDS = (
    "namespaces,pods,jobs,deployments,services,configmaps,clusterroles,clusterrolebindings,ingressclasses,"
    "customresourcedefinitions"
)
MACHINE = {
    *("environment.busy", "environment.steal", "environment.packets_dropped"),
    *("generator.late", "generator.stalled", "generator.unread", "generator.cpu"),
}
"""What is said of a machine that does other things, too."""
CONTOUR = (
    "contour: {proxies: 2, cpus: 0.3, memory: 256 MiB, controller_cpus: 0.3, controller_memory: 256 MiB}"
)
TRAEFIK = "traefik: {proxies: 1, cpus: 0.4, memory: 256 MiB}"
ENVOY_GATEWAY = (
    "envoy-gateway: {proxies: 1, cpus: 0.4, memory: 256 MiB, "
    "controller_cpus: 0.3, controller_memory: 256 MiB}"
)
PLAN = """
name: on-cluster
systems: [{systems}]
origin: {{kind: seatrial, body: 600 B, processes: 2}}
topology: {{routes: 6, services: 3, endpoints: 2}}
place: kubernetes
kubernetes: {{worker_cpus: 0.2, worker_memory: 128 MiB, origin_cpus: 0.2, origin_memory: 128 MiB}}
# Nodes share this machine's CPUs: on a coarse grid a request may leave later, and this is about counts and verdicts.
load: {{connections: 40, active: 8, workers: 4, rate: 100/s, connect_rate: 500/s, timeout: 2 s, resolution: 10 ms}}
phases: {{stable_for: 0 s, warmup: 1 s, measure: {measure}, cooldown: 20 s}}
repeat: 1
retry: 0
objectives: [p99 < 10 s, errors == 0]
"""


@dataclass(frozen=True, slots=True)
class ClusterBench:
    """A cluster, and a directory where runs on it are recorded."""

    cluster: Cluster
    bench: Bench

    def plan(self, *systems: str, measure: str = "4 s", **changes: str) -> Path:
        """Write a plan; ``changes`` replace texts of it."""
        text = PLAN.format(systems=", ".join(systems), measure=measure)
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        file = self.bench.directory / "plan.yaml"
        file.write_text(text)
        return file

    def command(self, *words: str, fresh: bool = False, kubeconfig: Path | None = None) -> Running:
        """Start a command with the cluster's kubeconfig, or another, and go on."""
        where = {"KUBECONFIG": str(kubeconfig or self.cluster.kubeconfig)}
        return Running(*words, directory=self.bench.directory, environment=where, fresh=fresh)

    def start(self, plan: Path, *flags: str, fresh: bool = False, kubeconfig: Path | None = None) -> Running:
        """Start ``seatrial run``."""
        return self.command("run", str(plan), *flags, fresh=fresh, kubeconfig=kubeconfig)

    def played(
        self, plan: Path, meanwhile: Callable[[Path], None] | None = None, kubeconfig: Path | None = None
    ) -> tuple[Outcome, dict[str, Any]]:
        """Run a plan to its end; ``meanwhile`` is done once it is measured, with the run's directory.

        Return how it ended and its results. Nothing of it may be left on the cluster.
        """
        before = self.made()
        with self.start(plan, kubeconfig=kubeconfig) as running:
            if meanwhile is not None:
                run = self.bench.run_directory(running)
                wait_for_answers(run)
                meanwhile(run)
            outcome = running.wait(ENDS_WITHIN_S)
            running.assert_nothing_left()
        assert self.made() == before, outcome.stderr
        return outcome, results(self.bench.run_directory())

    def made(self) -> set[str]:
        """Return what any run has made that is there."""
        found = ask(self.cluster, KINDS, "--all-namespaces", "-l", RUN_LABEL)
        return {f"{one['kind']} {one['metadata']['name']}" for one in found["items"]}

    def kubectl(self, *words: str, given: str = "") -> str:
        """Ask the cluster for something else."""
        return objects.kubectl(self.cluster, *words, given=given)

    def evict(self, pod: dict[str, str]) -> None:
        """Have the API server evict a pod, as who drains a node does."""
        path = f"/api/v1/namespaces/{pod['namespace']}/pods/{pod['name']}/eviction"
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": pod}
        objects.kubectl(self.cluster, "create", "--raw", path, "-f", "-", given=json.dumps(body))

    def pods(self, role: str) -> list[dict[str, Any]]:
        """Return the pods of a role: worker, origin, or by the name of their Deployment."""
        every = ask(self.cluster, "pods", "--all-namespaces", "-l", RUN_LABEL)["items"]
        return [pod for pod in every if pod["metadata"]["name"].startswith(role)]


def only_trial(document: dict[str, Any]) -> dict[str, Any]:
    """Return the trial of a plan that has one."""
    (trial,) = trials(document).values()
    return trial


@contextmanager
def relayed(cluster: Cluster, folder: Path) -> Iterator[tuple[Path, Callable[[], int]]]:
    """Have a kubeconfig whose way to the API server can be cut; yield it, and what cuts all connections there are."""
    ready: queue.Queue[tuple[Relay, asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    async def serve() -> None:
        over = asyncio.Event()
        async with relay(cluster.api_address, API_PORT) as way:
            ready.put((way, asyncio.get_running_loop(), over))
            await over.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    way, loop, over = ready.get(timeout=10.0)
    try:
        config = json.loads(cluster.kubeconfig.read_text())
        config["clusters"][0]["cluster"] |= {
            "server": f"https://127.0.0.1:{way.port}",
            "tls-server-name": cluster.api_address,
        }
        kubeconfig = folder / "relayed"
        kubeconfig.write_text(json.dumps(config))
        cutting: Callable[[], int] = lambda: asyncio.run_coroutine_threadsafe(_cut(way), loop).result(10.0)  # noqa: E731
        yield kubeconfig, cutting
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10.0)


async def _cut(way: Relay) -> int:
    return way.cut()


@contextmanager
def cluster_of(which: str) -> Iterator[Cluster]:
    """Use the cluster that SEATRIAL_CLUSTER names, where one is up; or start one for the test."""
    name = os.environ.get("SEATRIAL_CLUSTER")
    if name and Cluster(name).kubeconfig.exists():
        need_cluster()
        yield Cluster(name)
        return
    with own_cluster(which) as made:
        yield made
