"""Real pods of a real cluster: workers and an origin, through whatever befalls them and the way to them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.support import clusters
from tests.support.relay import Relay, relay
from tools.cluster import layout, objects, processes
from tools.cluster import up as starting
from tools.cluster.images import catalogue

from seatrial.cluster.access import open_cluster
from seatrial.cluster.connection.kubeconfig import Where
from seatrial.cluster.owned import Owned
from seatrial.errors import EnvironmentFault, GeneratorFault
from seatrial.generator.account import Driven
from seatrial.generator.crew import Crew
from seatrial.generator.drive import Drive
from seatrial.generator.frames import Frame, answered
from seatrial.generator.pod_channel import PodChannels
from seatrial.generator.split import split
from seatrial.machine.place import ThisMachine
from seatrial.machine.processes.changes import Unrecorded
from seatrial.pods.group import Group
from seatrial.pods.job import PodJob, PodRole
from seatrial.pods.on_cluster import OneNamespace
from seatrial.systems.base import Launch
from seatrial.systems.counters import OriginCounts
from seatrial.systems.origins.options import OriginPlan
from seatrial.systems.origins.pods import PodOrigin
from seatrial.topology.expand import NOWHERE
from seatrial.workload.profile import constant
from seatrial.workload.requests import Request, expand
from seatrial.workload.spec import LoadSpec, Target

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

WORKERS, RATE_PER_S, START_LIMIT_S = 4, 200.0, 90.0
AWAY_S = 10.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with clusters.own_cluster("workers") as made:
        yield made


@dataclass
class Stage:
    """What a test has under way: a namespace of the cluster, reached through a relay."""

    cluster: Any
    relay: Relay
    at: OneNamespace
    name: str
    scratch: Path

    def job(self, role: PodRole, count: int, **changes: object) -> PodJob:
        node = "load" if role == "worker" else "origin"
        made = PodJob(
            f"{self.name}-{role}", self.name, role, catalogue.SEATRIAL.reference, count, 240.0, cpu="100m",
            memory_bytes=128 << 20, on_nodes={layout.ROLE_LABEL: node}, ports=(1024, 65535), pull="Never",
        )  # fmt: skip
        return replace(made, **changes)  # type: ignore[arg-type]


@dataclass
class Outcome:
    frames: list[Frame] = field(default_factory=list)
    driven: Driven | None = None
    counts: OriginCounts | None = None
    nodes: list[str] = field(default_factory=list)


@asynccontextmanager
async def stage(cluster: Any, name: str, scratch: Path) -> AsyncIterator[Stage]:
    """Have a namespace meanwhile; the client's way to the API server leads through a relay."""
    async with relay(cluster.api_address, layout.API_PORT) as way:
        config = json.loads(cluster.kubeconfig.read_text())
        config["clusters"][0]["cluster"] |= {
            "server": f"https://127.0.0.1:{way.port}", "tls-server-name": cluster.api_address,
        }  # fmt: skip
        kubeconfig = scratch / "kubeconfig"
        kubeconfig.write_text(json.dumps(config))
        async with open_cluster(Where(str(kubeconfig))) as client:
            owned = Owned(client, name, Unrecorded())
            await owned.namespace(name)
            try:
                yield Stage(cluster, way, OneNamespace(client, name, owned), name, scratch)
            finally:
                await owned.remove()


Meanwhile = Callable[[Stage], Awaitable[None]]


async def nothing(_: Stage) -> None:
    """Let it run."""


async def played(
    cluster: Any, name: str, scratch: Path, meanwhile: Meanwhile = nothing, measure_s: float = 4.0
) -> Outcome:
    """Send a load from four pods to one; ``meanwhile`` is done a second after it has begun."""
    outcome = Outcome()
    async with stage(cluster, name, scratch) as here:
        origin = PodOrigin(OriginPlan(), Group(here.job("origin", 1), here.at))
        launch = Launch(scratch, scratch, NOWHERE, 100, ThisMachine(), "origin")
        workers = Group(here.job("worker", WORKERS), here.at)
        try:
            (target,) = await origin.start(launch)
            await workers.start(START_LIMIT_S)
            outcome.nodes = [pod.node for pod in workers.pods()]
            load = LoadSpec(
                targets=(Target(target.host, target.port),), active=8, held=8, profile=constant(RATE_PER_S),
                measure_s=measure_s, workers=WORKERS,
            )  # fmt: skip
            await drive(load, workers, outcome, lambda: meanwhile(here))
            outcome.counts = await origin.counts()
        finally:
            await workers.close()
            await origin.stop()
    return outcome


async def drive(
    load: LoadSpec, workers: Group, outcome: Outcome, meanwhile: Callable[[], Awaitable[None]]
) -> None:
    crew = Crew(split(load, 4096), PodChannels(workers).open, outcome.frames.append)
    try:
        await crew.start()
        driving = Drive(load, crew)
        assert await driving.ramp(), crew.lost
        start_ns = time.monotonic_ns() + driving.notice_ns
        driving.go(start_ns)
        await asyncio.sleep((start_ns - time.monotonic_ns()) / 1e9 + 1)
        doing = asyncio.ensure_future(meanwhile())
        await asyncio.sleep(load.measure_s - 1)
        await doing
        outcome.driven = await driving.finish(asyncio.Event(), asyncio.Event())
    finally:
        await crew.close()


def assert_whole(outcome: Outcome, measure_s: float) -> None:
    """Every request was sent, answered and counted, by the workers and by the origin alike."""
    assert outcome.driven is not None
    assert outcome.counts is not None
    assert outcome.driven.lost == ()
    parts = [part for frame in outcome.frames for part in frame.parts]
    assert sum(part.sent + part.unsent for part in parts) == round(RATE_PER_S * measure_s)
    assert answered(outcome.frames) == outcome.counts.requests == round(RATE_PER_S * measure_s)
    for worker in range(WORKERS):
        numbers = [frame.seq for frame in outcome.frames if frame.worker == worker]
        assert numbers == list(range(len(numbers)))


def test_what_four_pods_count_is_what_the_origin_counts(cluster: Any, tmp_path: Path) -> None:
    outcome = asyncio.run(played(cluster, "counts", tmp_path))
    assert_whole(outcome, 4.0)
    assert outcome.nodes == ["load"] * WORKERS
    assert outcome.driven is not None
    assert len(outcome.driven.clocks) == WORKERS
    for clock in outcome.driven.clocks:
        # All nodes are this machine, whose clock is ours: the truth is 0.
        assert abs(clock.offset_ns) <= clock.error_ns < 50_000_000


def test_streams_that_are_cut_in_the_middle_are_gone_on_with(cluster: Any, tmp_path: Path) -> None:
    broken = []

    async def cut(here: Stage) -> None:
        for _ in range(2):
            broken.append(here.relay.cut())
            await asyncio.sleep(1)

    assert_whole(asyncio.run(played(cluster, "cut", tmp_path, cut)), 4.0)
    # Four logs and four ways in, at least.
    assert broken[0] >= 2 * WORKERS


def test_a_pod_that_is_deleted_is_named_and_the_others_go_on(cluster: Any, tmp_path: Path) -> None:
    async def delete(here: Stage) -> None:
        label = f"batch.kubernetes.io/job-name={here.name}-worker,batch.kubernetes.io/job-completion-index=2"
        await asyncio.to_thread(objects.kubectl, cluster, "-n", here.name, "delete", "pod", "-l", label)

    outcome = asyncio.run(played(cluster, "deleted", tmp_path, delete))
    assert outcome.driven is not None
    assert [done.worker for done in outcome.driven.dones] == [0, 1, 3]
    (lost,) = outcome.driven.lost
    assert lost.startswith("worker 2 (pod deleted-worker-2-")
    assert lost.endswith(" on node load) was deleted")


def test_a_load_outlives_its_api_server(cluster: Any, tmp_path: Path) -> None:
    async def end(_: Stage) -> None:
        os.kill(processes.recorded(cluster)["kube-apiserver"], signal.SIGKILL)
        await asyncio.sleep(AWAY_S)
        await asyncio.to_thread(starting.up, cluster, print)

    assert_whole(asyncio.run(played(cluster, "away", tmp_path, end, 15.0)), 15.0)


def test_a_pod_that_takes_more_memory_than_it_may_is_named(cluster: Any, tmp_path: Path) -> None:
    async def start() -> None:
        async with stage(cluster, "memory", tmp_path) as here:
            group = Group(here.job("worker", 2, memory_bytes=24 << 20), here.at)
            await group.start(START_LIMIT_S)
            # A worker has its requests ready for the wire: these take more than the pod may.
            routes = tuple(Request(host=host) for host in expand("route-{0..99999}.test"))
            load = LoadSpec(
                targets=(Target("127.0.0.1", 9),), requests=routes, profile=constant(1.0), workers=2, active=2
            )
            crew = Crew(split(load, 4096), PodChannels(group).open, lambda _: None)
            try:
                await crew.start()
            finally:
                await crew.close()
                await group.close()

    with pytest.raises(
        GeneratorFault, match=r"worker \d \(pod memory-worker-\d-\w+ on node load\) did not start"
    ) as caught:
        asyncio.run(start())
    assert caught.value.cause == "was OOM-killed, ended by the kernel: it took more memory than its limit"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"image": "localhost/nobody-has-it:1"}, "ErrImageNeverPull"),
        ({"cpu": "1000"}, "Unschedulable: 0/3 nodes are available"),
        ({"on_nodes": {layout.ROLE_LABEL: "none"}}, "Unschedulable: 0/3 nodes are available"),
    ],
)
def test_pods_that_do_not_run_are_said_to_and_leave_nothing(
    cluster: Any, tmp_path: Path, changes: dict[str, object], why: str
) -> None:
    async def start() -> str:
        async with stage(cluster, "refused", tmp_path) as here:
            group = Group(here.job("worker", 2, **changes), here.at)
            with pytest.raises(EnvironmentFault) as caught:
                await group.start(15.0)
            assert str(caught.value).startswith("0 of 2 worker pods are running")
            return caught.value.cause or ""

    assert why in asyncio.run(start())
