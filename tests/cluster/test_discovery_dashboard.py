"""Every query of the dashboard of discovery, asked of a real Prometheus that scrapes a run and real discoverers."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from tests.support.api_server import ApiServer, binary
from tests.support.dashboards import Asked, has_numbers, metrics, queries
from tests.support.discovering import Backend, ClusterSource, discovering
from tests.support.exposed import serving
from tests.support.made_run import make_run
from tests.support.metrics_page import metrics_page
from tests.support.program import wait_until
from tests.support.prometheus import Prometheus, prometheus, scrape

from seatrial.cluster.access import open_cluster
from seatrial.cluster.connection.kubeconfig import Where
from seatrial.cluster.labels import labelled
from seatrial.cluster.objects import Objects
from seatrial.machine.place import ThisMachine
from seatrial.report.dashboards.discovery import DISCOVERY
from seatrial.systems.base import Launch
from seatrial.systems.discoverers.mirroring import MirroringOptions
from seatrial.systems.discovering import Begun, Wiring
from seatrial.topology.expand import NOWHERE

pytestmark = pytest.mark.cluster
WINDOW_S = 4.0
NOT_YET = {"seatrial_discoverer_errors_total", "go_sched_gomaxprocs_threads"}
"""Nothing goes wrong here; and Gimbal's client of Prometheus is too old to know the last."""
OF_GIMBAL = 'namespace="a",backendname="b",backendtype="kubernetes"'


def of_gimbal(asked: int) -> str:
    """Return a page with the names and labels of projectcontour/gimbal, ``pkg/metrics/metrics.go``."""
    own = 'backendname="b",backendtype="kubernetes"'
    summed = ("gimbal_discoverer_cycle_duration_seconds", "gimbal_discoverer_api_latency_milliseconds")
    counted = [f'gimbal_discoverer_error_total{{{own},errortype="ListProjects"}} {asked}']
    counted += [
        f'gimbal_{what}_error_total{{{OF_GIMBAL},name="c",errortype="AddToQueue"}} {asked}'
        for what in ("service", "endpoints")
    ]
    gauges = [f"gimbal_queuesize{{{own}}} 3"]
    gauges += [
        f"gimbal_discoverer_{state}_{what}_total{{{OF_GIMBAL}}} 5"
        for state in ("upstream", "replicated", "invalid")
        for what in ("services", "endpoints")
    ]
    gauges += [
        f'gimbal_{what}_event_timestamp{{{OF_GIMBAL},name="c"}} {time.time():.0f}'
        for what in ("service", "endpoints")
    ]
    sums = [f"{name}_{part}{{{own}}} {asked}" for name in summed for part in ("sum", "count")]
    return "\n".join((*counted, *gauges, *sums, ""))


@contextmanager
def mirroring(server: ApiServer, folder: Path) -> Iterator[Begun]:
    """Have kube-controller-manager mirror in a thread of its own."""
    program = binary("kube-controller-manager")
    if program is None:
        pytest.skip("kube-controller-manager is not built: `make cluster` does")
    system = MirroringOptions(binary=str(program), concurrency=2).create()
    begun, over, found = Event(), Event(), list[Begun]()

    async def run() -> None:
        await system.start(Launch(folder, folder, NOWHERE, 1, ThisMachine(), "mirror"))
        found.append(await system.begin(Wiring("kubernetes", {}, server.kubeconfig)))
        begun.set()
        await asyncio.to_thread(over.wait)
        await system.stop()

    thread = Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert begun.wait(60)
        yield found[0]
    finally:
        over.set()
        thread.join(60)


async def mirrored(where: Where, run: str, number: int) -> None:
    """Make a service without a selector and its Endpoints, which are to be mirrored."""
    metadata = {"name": f"{run}-{number}", "namespace": "default"}
    subset = {"addresses": [{"ip": f"172.16.9.{number + 1}"}], "ports": [{"port": 80}]}
    manifests: list[dict[str, Any]] = [
        {"kind": "Service", "spec": {"ports": [{"port": 80}]}},
        {"kind": "Endpoints", "subsets": [subset]},
    ]
    async with open_cluster(where) as client:
        await Objects(client).apply(
            [labelled({"apiVersion": "v1", "metadata": metadata, **one}, run) for one in manifests]
        )


@pytest.fixture
def seen(
    server: ApiServer, source_server: ApiServer, where: Where, tmp_path: Path
) -> Iterator[tuple[Prometheus, float]]:
    run = make_run(tmp_path / "runs", systems=("envoy",), trials=1, end=False, discovers=True)
    name = f"dash-{uuid.uuid4().hex[:8]}"
    source = ClusterSource(source_server, name)
    source.fill(4)
    (tmp_path / "mirror").mkdir()
    with ExitStack() as stack:
        own = stack.enter_context(serving(run, going_on=1))
        flags = (*source.flags(), "--into", str(server.kubeconfig), "--backend", name, "--period", "1s")
        stack.callback(Backend(server, name).remove)
        ours = stack.enter_context(discovering(*flags))
        gimbal = stack.enter_context(metrics_page(of_gimbal))
        begun = stack.enter_context(mirroring(server, tmp_path / "mirror"))
        assert begun.metrics_url is not None
        jobs = (
            scrape("seatrial", own),
            scrape("ours", ours.metrics_url.removeprefix("http://").removesuffix("/metrics")),
            scrape("gimbal", gimbal.target),
            scrape(
                "mirroring",
                begun.metrics_url.removeprefix("https://").removesuffix("/metrics"),
                scheme="https",
                tls_config={"ca_file": str(begun.ca)},
            ),
        )
        from_s = time.time()
        scraped = stack.enter_context(prometheus(tmp_path / "prometheus", *jobs))
        # A rate needs readings from before what it is a rate of.
        assert wait_until(lambda: len(scraped.instant("up == 1")) == len(jobs), 60)
        space = next(iter(source.ends)).partition("/")[0]
        for number in range(4):
            source.add(f"{space}/later-{number}")
            asyncio.run(mirrored(where, name, number))
            time.sleep(1)
        yield scraped, from_s


def test_what_discoverers_say_is_what_the_dashboard_asks_for(seen: tuple[Prometheus, float]) -> None:
    server, from_s = seen

    def empty() -> list[tuple[str, str]]:
        asked: list[Asked] = [one for one in queries(DISCOVERY, WINDOW_S) if not metrics(one.expr) & NOT_YET]
        assert len(asked) > 40
        return [(one.panel, one.expr) for one in asked if not has_numbers(server, one, from_s, time.time())]

    wait_until(lambda: not empty(), 30)
    assert empty() == []
    there = set(server.get("label/__name__/values"))
    named = set().union(*(metrics(one.expr) for one in queries(DISCOVERY, WINDOW_S)))
    assert named - there <= NOT_YET
