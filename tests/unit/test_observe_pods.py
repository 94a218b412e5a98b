"""Pods as kubelets see them: pages of the test's own through a real client, with their repeats, holes and clocks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web
from tests.support.fake_api import FakeApi, fake_client, refuses

from seatrial.machine.members import Member, PodRef
from seatrial.observe.kubelet import read_page
from seatrial.observe.nodes import NodeNetworks
from seatrial.observe.pods import PodSampler
from seatrial.observe.samples import ClusterEvent, NetworkSample, NodeSample, ProcessSample, Sample
from seatrial.probe.looks import KernelLook

UID = "cb010ef7-af14-4b9c-adac-b3b0b766b1f8"
POD = ("shop", "envoy-1")
MEMBER = Member("system", "envoy-1", (), PodRef(*POD, UID, "node-a"))
MIB = 1 << 20


def group(uid: str = UID, driver: str = "cgroupfs") -> str:
    if driver == "systemd":
        return f"/kubepods.slice/kubepods-pod{uid.replace('-', '_')}.slice"
    return f"/kubepods/pod{uid}"


@dataclass
class Kubelet:
    """A node whose clock is ``ahead_s`` of ours, and the looks that its pages repeat until there is another.

    A look is (when, by its own clock in ms; CPU s; MiB; the container's id).
    """

    ahead_s: float = 0.0
    looks: list[tuple[int, float, int, str]] = field(default_factory=list)
    uid: str = UID
    driver: str = "cgroupfs"
    says_now: bool = True
    oom_kills: int = 0

    def now_ms(self) -> int:
        return int((time.time() + self.ahead_s) * 1000)

    def cadvisor(self) -> str:
        lines = ["# TYPE container_cpu_usage_seconds_total counter", 'machine_cpu_cores{boot_id="b"} 4']
        for at_ms, cpu_s, mib, container in self.looks:
            lines += self._container(at_ms, cpu_s, mib, container)
        if self.says_now:
            lines.append(f'container_last_seen{{container="",id="/",namespace="",pod=""}} 1 {self.now_ms()}')
        return "\n".join(lines)

    def _container(self, at_ms: int, cpu_s: float, mib: int, container: str) -> Iterable[str]:
        whose = f'namespace="{POD[0]}",pod="{POD[1]}"'
        of_pod = f'container="",id="{group(self.uid, self.driver)}",name="",{whose}'
        of_pause = f'container="",id="{group(self.uid, self.driver)}/p",image="pause:1",name="p",{whose}'
        its = f'container="envoy",id="{group(self.uid, self.driver)}/{container}",name="{container}",{whose}'
        # What is of the whole pod, and of its pause container, is not counted again.
        yield f'container_cpu_usage_seconds_total{{cpu="total",{of_pod}}} {cpu_s + 1} {at_ms}'
        yield f"container_memory_working_set_bytes{{{of_pod}}} {(mib + 1) * MIB} {at_ms}"
        yield f'container_cpu_usage_seconds_total{{cpu="total",{of_pause}}} 0.5 {at_ms}'
        yield f"container_memory_working_set_bytes{{{of_pause}}} {MIB} {at_ms}"
        yield f'container_cpu_usage_seconds_total{{cpu="total",{its}}} {cpu_s} {at_ms}'
        yield f"container_cpu_system_seconds_total{{{its}}} {cpu_s / 4} {at_ms}"
        yield f"container_cpu_cfs_throttled_seconds_total{{{its}}} 2.5e+00 {at_ms}"
        yield f"container_memory_working_set_bytes{{{its}}} {float(mib * MIB):e} {at_ms}"
        yield f"container_threads{{{its}}} 5 {at_ms}"
        yield f"container_oom_events_total{{{its}}} {self.oom_kills} {at_ms}"
        yield f"container_file_descriptors{{{its}}} 40 {at_ms}"
        for number, name in enumerate(
            (
                "receive_bytes", "receive_packets", "receive_errors", "receive_packets_dropped", "transmit_bytes",
                "transmit_packets", "transmit_errors", "transmit_packets_dropped",
            ),
            1,
        ):  # fmt: skip
            yield f'container_network_{name}_total{{interface="eth0",{of_pause}}} {number} {at_ms}'

    def resource(self) -> str:
        whose = f'container="envoy",namespace="{POD[0]}",pod="{POD[1]}"'
        at_ms = self.looks[-1][0]
        return "\n".join((
            f"container_cpu_usage_seconds_total{{{whose}}} 9 {at_ms}",
            f"container_memory_working_set_bytes{{{whose}}} 9 {at_ms}",
            f"node_cpu_usage_seconds_total {at_ms / 1000} {at_ms}",
            f"node_memory_working_set_bytes 3.5e+09 {at_ms}",
            "resource_scrape_error 0",
        ))  # fmt: skip

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/events"):
            return web.json_response({"items": []})
        page = self.cadvisor() if request.path.endswith("cadvisor") else self.resource()
        return web.Response(text=page, content_type="text/plain")


@asynccontextmanager
async def sampling(kubelet: Kubelet) -> AsyncIterator[tuple[FakeApi, PodSampler]]:
    async with fake_client() as (api, client):
        api.otherwise = kubelet.answer
        yield api, PodSampler(client)


def of(kind: type[Any], samples: Iterable[Sample]) -> list[Any]:
    return [sample for sample in samples if isinstance(sample, kind)]


@pytest.mark.parametrize("driver", ["cgroupfs", "systemd"])
@pytest.mark.parametrize("ahead_s", [0.0, 3_600.0, -7_200.25])
def test_a_look_is_of_its_own_moment_on_our_clock(ahead_s: float, driver: str) -> None:
    async def run() -> None:
        kubelet = Kubelet(ahead_s, driver=driver)
        kubelet.looks = [(kubelet.now_ms() - 8_000, 20.0, 50, "c" * 64)]
        before_s = time.monotonic()
        async with sampling(kubelet) as (api, sampler):
            found = await sampler.look([MEMBER])
            took_s = time.monotonic() - before_s
        assert {path for _, path in api.asked} == {
            "/api/v1/nodes/node-a/proxy/metrics/cadvisor", "/api/v1/nodes/node-a/proxy/metrics/resource",
        }  # fmt: skip
        for sample in found:
            assert not isinstance(sample, ClusterEvent)
            assert -8.1 <= sample.at_s - before_s <= -8.0 + took_s + 0.1
        (process,), (network,), (node,) = (
            of(kind, found) for kind in (ProcessSample, NetworkSample, NodeSample)
        )
        assert process == ProcessSample(
            process.at_s, "system", "envoy-1", f"{UID}/cccccccccccc", "envoy", 15.0, 5.0, None, None, 40, 5, 2.5,
            working_set_bytes=50 * MIB,
        )  # fmt: skip
        assert (network.network, network.roles, network.pod) == (UID, ("system",), "shop/envoy-1")
        assert tuple(network.interfaces["eth0"]) == (1, 2, 3, 4, 5, 6, 7, 8, 0)
        assert (node.node, node.roles, node.cores) == ("node-a", ("system",), 4)
        assert node.memory_working_set_bytes == 3_500_000_000
        assert sampler.remarks() == ()
        assert sampler.cpu_s > 0

    asyncio.run(run())


def test_what_is_repeated_is_dropped_and_a_hole_loses_nothing() -> None:
    async def run() -> None:
        kubelet = Kubelet()
        now_ms = kubelet.now_ms()
        kubelet.looks = [(now_ms - 60_000, 1.0, 50, "a")]
        async with sampling(kubelet) as (api, sampler):
            assert len(of(ProcessSample, await sampler.look([MEMBER]))) == 1
            assert list(await sampler.look([MEMBER])) == []
            # The API server has the kubelet away for a reading; what it saw meanwhile is in its counters.
            api.then(refuses(400, message="the node is not ready"))
            assert list(await sampler.look([MEMBER])) == []
            kubelet.looks = [(now_ms - 20_000, 9.0, 60, "a")]
            (later,) = of(ProcessSample, await sampler.look([MEMBER]))
            assert later.cpu_user_s + later.cpu_system_s == 9.0
            (remark,) = sampler.remarks()
            assert remark.startswith("the kubelet of node node-a could not be read 1 of 4 times")
            assert "the node is not ready" in remark

    asyncio.run(run())


def test_a_container_that_was_started_anew_is_another_incarnation() -> None:
    async def run() -> None:
        kubelet = Kubelet()
        now_ms = kubelet.now_ms()
        kubelet.looks = [(now_ms - 30_000, 7.0, 50, "old")]
        async with sampling(kubelet) as (_, sampler):
            (old,) = of(ProcessSample, await sampler.look([MEMBER]))
            # A page has both for a while.
            kubelet.looks = [(now_ms - 30_000, 7.0, 50, "old"), (now_ms - 10_000, 0.5, 20, "new")]
            (new,) = of(ProcessSample, await sampler.look([MEMBER]))
        assert (old.incarnation, new.incarnation) == (f"{UID}/old", f"{UID}/new")
        assert new.cpu_user_s + new.cpu_system_s == 0.5

    asyncio.run(run())


def test_a_nodes_clock_that_is_set_does_not_turn_time_back() -> None:
    async def run() -> None:
        kubelet = Kubelet()
        kubelet.looks = [(kubelet.now_ms() - 12_000, 1.0, 50, "a")]
        async with sampling(kubelet) as (_, sampler):
            (before,) = of(ProcessSample, await sampler.look([MEMBER]))
            kubelet.ahead_s = -100.0
            # The same look, by a clock that now means another moment.
            assert not of(ProcessSample, await sampler.look([MEMBER]))
            kubelet.looks = [(kubelet.now_ms() - 2_000, 3.0, 50, "a")]
            (after,) = of(ProcessSample, await sampler.look([MEMBER]))
            kubelet.looks = [(kubelet.now_ms() - 30_000, 0.5, 50, "a")]
            assert not of(ProcessSample, await sampler.look([MEMBER]))
        assert 9.5 <= after.at_s - before.at_s <= 11.0

    asyncio.run(run())


def test_a_page_that_does_not_say_when_it_was_made_is_taken_to_have_our_clock() -> None:
    async def run() -> None:
        kubelet = Kubelet(says_now=False)
        kubelet.looks = [(kubelet.now_ms() - 8_000, 1.0, 50, "a")]
        async with sampling(kubelet) as (_, sampler):
            (sample,) = of(ProcessSample, await sampler.look([MEMBER]))
        assert -9 < sample.at_s - time.monotonic() < -7.9

    asyncio.run(run())


def test_a_pod_that_replaced_another_of_its_name_is_not_that_one() -> None:
    async def run() -> None:
        kubelet = Kubelet(uid=UID.replace("c", "d"))
        kubelet.looks = [(kubelet.now_ms(), 1.0, 50, "a")]
        async with sampling(kubelet) as (_, sampler):
            found = await sampler.look([MEMBER])
            assert not of(ProcessSample, found)
            assert not of(NetworkSample, found)
            assert sampler.remarks() == (
                "not known: CPU and memory of shop/envoy-1: the kubelet said nothing of it",
            )

    asyncio.run(run())


def test_kernels_are_read_where_kubelets_may_not_be() -> None:
    class Kernel:
        async def networks(self, _: float) -> list[KernelLook]:
            return [KernelLook(1, 0.0, {"conntrack_drops": 3.0}, {"eth0": [1, 2, 3, 4, 5, 6, 7, 8, 9]})]

    class Kernels:
        def on(self, node: str) -> Kernel:
            assert node == "node-a"
            return Kernel()

        def why_not(self, _: str) -> str:
            return ""

    async def run() -> None:
        async with fake_client() as (api, client):
            api.otherwise = Kubelet().answer
            sampler = PodSampler(client, NodeNetworks(Kernels()))
            api.then(refuses(403, "Forbidden", 'cannot get resource "nodes/proxy"'))
            for _ in range(3):
                (sample,) = await sampler.look([MEMBER], at_once=True)
                assert isinstance(sample, NetworkSample)
                assert (sample.node, sample.values) == ("node-a", {"conntrack_drops": 3.0})
                assert sample.interfaces["eth0"].sent_bytes == 5
            assert len(sampler.remarks()) == 1
            assert sampler.away() == ()

    asyncio.run(run())


def test_many_nodes_are_read_one_a_little_after_the_other_and_others_are_asked_for_seldom() -> None:
    """All at once would take all the CPU of a small machine for a moment, and its load would wait."""
    members = [
        replace(MEMBER, name=f"envoy-{node}", pod=PodRef(POD[0], f"envoy-{node}", UID, f"node-{node}"))
        for node in range(4)
    ]
    kubelet, asked = Kubelet(looks=[(1_000, 1.0, 1, "a")]), list[tuple[float, str]]()

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append((time.monotonic(), request.path))
        if request.path == "/api/v1/pods":
            return web.json_response({"items": []})
        return await kubelet.answer(request)

    async def run() -> tuple[list[tuple[float, str]], list[tuple[float, str]]]:
        async with fake_client() as (api, client):
            api.otherwise = answer
            sampler = PodSampler(client, run_id="own-0")
            await sampler.look(members)
            spread = asked.copy()
            asked.clear()
            await sampler.look(members)
            return spread, asked.copy()

    first, second = asyncio.run(run())
    begun_s = [at_s for at_s, path in first if path.endswith("metrics/cadvisor")]
    assert all(later - earlier > 0.1 for earlier, later in pairwise(begun_s))
    assert len(begun_s) == 4
    assert [sum(path == "/api/v1/pods" for _, path in one) for one in (first, second)] == [1, 0]


def test_who_may_not_ask_kubelets_is_told_once_and_asks_no_more() -> None:
    async def run() -> None:
        async with sampling(Kubelet()) as (api, sampler):
            api.then(refuses(403, "Forbidden", 'cannot get resource "nodes/proxy"'))
            for _ in range(3):
                assert list(await sampler.look([MEMBER])) == []
            assert len(api.asked) == 1
            (remark,) = sampler.remarks()
        assert remark.startswith(
            "not known: CPU, memory and network of the pods on node-a: may not read nodes/proxy"
        )

    asyncio.run(run())


@pytest.mark.parametrize("trouble", ["silent", "503", "nonsense"])
def test_a_node_that_is_not_reached_is_away_and_one_that_says_nonsense_is_not(
    trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seatrial.observe.pods.READ_LIMIT_S", 0.3)
    kubelet, is_cut = Kubelet(looks=[(1_000, 1.0, 1, "a")]), [False]
    other = replace(MEMBER, name="envoy-2", pod=PodRef(POD[0], "envoy-2", UID, "node-b"))

    async def answer(request: web.Request) -> web.StreamResponse:
        if is_cut[0] and "/node-b/" in request.path:
            if trouble == "silent":
                await asyncio.sleep(5)
            if trouble == "503":
                return await refuses(503, "ServiceUnavailable", "dial tcp: i/o timeout")(request)
            return web.Response(text="}{", content_type="text/plain")
        return await kubelet.answer(request)

    async def run() -> tuple[str, ...]:
        async with fake_client() as (api, client):
            api.otherwise = answer
            sampler = PodSampler(client)
            await sampler.look([MEMBER, other])
            is_cut[0] = True
            for _ in range(2):
                await sampler.look([MEMBER, other])
            return tuple(away.node for away in sampler.away())

    assert asyncio.run(run()) == (() if trouble == "nonsense" else ("node-b",))


def test_what_the_cluster_reported_meanwhile_is_noted_with_its_time() -> None:
    # Written to the second: one of this second may be from before the sampler began.
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))

    def event(reason: str, at: str, **more: Any) -> dict[str, Any]:
        of_whom = {"kind": "Pod", "namespace": "shop", "name": "envoy-1"}
        return {
            "reason": reason,
            "lastTimestamp": at,
            "involvedObject": of_whom,
            "message": reason.lower(),
            **more,
        }

    async def answer(request: web.Request) -> web.StreamResponse:
        events = {
            "/api/v1/namespaces/shop/events": [
                event("Evicted", stamp), event("Pulled", stamp), event("Evicted", "2020-01-01T00:00:00Z"),
            ],
            "/api/v1/namespaces/default/events": [
                event("NodeNotReady", "", eventTime=stamp.replace("Z", ".000123Z"), count=3),
            ],
        }  # fmt: skip
        found = events.get(request.path)
        return await kubelet.answer(request) if found is None else web.json_response({"items": found})

    kubelet = Kubelet()
    kubelet.looks = [(kubelet.now_ms(), 1.0, 50, "a")]

    async def run() -> list[str]:
        async with sampling(kubelet) as (api, sampler):
            api.otherwise = answer
            return [one.text for one in of(ClusterEvent, await sampler.finish([MEMBER]))]

    at = f"the cluster reported at {stamp[11:19]} UTC: "
    assert asyncio.run(run()) == [
        f"{at}Evicted: Pod shop/envoy-1: evicted",
        f"{at}NodeNotReady: Pod shop/envoy-1: nodenotready (3 times)",
    ]


def test_another_run_on_the_same_nodes_is_named_with_them() -> None:
    def of_run(run: str, node: str, **more: Any) -> dict[str, Any]:
        return {"metadata": {"labels": {"seatrial.dev/run": run}, **more}, "spec": {"nodeName": node}}

    pods = [
        of_run("other-1", "node-a"),
        of_run("other-1", "node-z"),
        of_run("away-2", "node-z"),
        of_run("ending-3", "node-a", deletionTimestamp="2026-11-27T00:00:00Z"),
    ]
    kubelet, is_there = Kubelet(looks=[(1_000, 1.0, 1, "a")]), [True]

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path != "/api/v1/pods":
            return await kubelet.answer(request)
        assert request.query["labelSelector"] == "seatrial.dev/run,seatrial.dev/run!=own-0"
        return web.json_response({"items": pods if is_there[0] else []})

    async def run() -> tuple[tuple[str, ...], tuple[str, ...]]:
        async with fake_client() as (api, client):
            api.otherwise = answer
            sampler = PodSampler(client, run_id="own-0")
            await sampler.look([MEMBER])
            # Who has come and gone was there all the same.
            is_there[0] = False
            await sampler.finish([])
            seen = sampler.runs_beside()
            api.otherwise = refuses(403, "Forbidden", "may not list pods")
            await sampler.look([], at_once=True)
            return seen, sampler.remarks()

    seen, remarks = asyncio.run(run())
    assert seen == ("other-1 on node-a",)
    assert any("whether another run of Seatrial was on these nodes" in remark for remark in remarks)


def test_a_process_that_is_killed_for_memory_is_told_though_its_container_goes_on() -> None:
    async def run() -> None:
        # Two of them were before this trial.
        kubelet = Kubelet(oom_kills=2)
        now_ms = kubelet.now_ms()
        async with sampling(kubelet) as (_, sampler):
            for oom_kills, at_ms in ((2, now_ms - 20_000), (5, now_ms)):
                assert sampler.remarks() == ()
                kubelet.oom_kills, kubelet.looks = oom_kills, [(at_ms, 1.0, 50, "a")]
                await sampler.look([MEMBER])
            assert sampler.remarks() == (
                "the kernel killed 3 of the processes of shop/envoy-1 (envoy) for want of memory",
            )

    asyncio.run(run())


def test_a_large_page_is_read_in_a_few_hundredths_of_a_second() -> None:
    # 70 pods on one node: 20 proxies and 50 workers on three need less each.
    kubelet = Kubelet()
    kubelet.looks = [(1, 1.0, 50, f"{number:064}") for number in range(70)]
    other = kubelet.cadvisor()
    filler = "\n".join(
        f'container_blkio_device_usage_total{{container="c{number}",id="{group()}/{number:064}",device="/dev/sda"}} 0 1'
        for number in range(2_000)
    )
    page = f"{other}\n{filler}"
    assert len(page) > 330_000

    def cpu_s(act: Callable[[], object]) -> float:
        began_s = time.thread_time()
        act()
        return time.thread_time() - began_s

    assert len(read_page(page, {POD: UID}).containers) == 70
    # A third of a core, at one reading in ten seconds of ten such nodes, would be 0.33 s a page.
    assert min(cpu_s(lambda: read_page(page, {POD: UID})) for _ in range(3)) < 0.1
