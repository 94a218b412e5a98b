"""A probe in a pod that is played by a process of this machine: routes are proven by it, and it may be lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from tests.support.leading import SERVICES, A, B, Proxy, serving
from tests.support.pods import Faults, LocalPods, job

from seatrial.errors import EnvironmentFault, SystemFault
from seatrial.machine.address import Endpoint
from seatrial.pods import probe as pod_probe
from seatrial.pods.group import Group
from seatrial.pods.probe import PodProbe
from seatrial.probe.question import Question, Wanted
from seatrial.run.places.lasting_probe import LastingProbe
from seatrial.run.testbed.proof import Asking, gone, prove
from seatrial.topology.expand import Topology, expand
from seatrial.topology.options import TopologyPlan


def probed(work: Callable[[PodProbe, LocalPods], Awaitable[None]], faults: Faults | None = None) -> None:
    """Have a probe in a pod that is played by a process of this machine."""

    async def play() -> None:
        cluster = LocalPods(faults or Faults(breaks_after=2, repeats=1))
        probe = PodProbe(Group(job(1, "probe"), cluster))
        await probe.start(["net.core.somaxconn"])
        try:
            await work(probe, cluster)
        finally:
            await probe.close()
        assert len(cluster.deleted) == 1

    asyncio.run(play())


def two_routes(proxy: Proxy) -> tuple[Topology, tuple[Endpoint, ...]]:
    at = [Endpoint("10.0.0.1", 80), Endpoint("10.0.0.2", 80)]
    return expand(TopologyPlan(routes=2, services=2), at), (Endpoint(proxy.address.host, proxy.address.port),)


def test_a_topology_is_proven_and_gone_by_a_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PodProbe, "live_limit_s", 0.3)
    first, second = "route-0.example.com", "route-1.example.com"
    proxy = Proxy({first: A, second: B})

    async def work(probe: PodProbe, _: LocalPods) -> None:
        assert probe.facts.machine.somaxconn == probe.facts.settings["net.core.somaxconn"][0]  # type: ignore[index]
        topology, endpoints = two_routes(proxy)
        assert await prove(topology, endpoints, Asking(200, probe)) == 2
        with pytest.raises(SystemFault, match="1 routes that were removed still answer: route-1"):
            await gone(topology, topology.routes[1:], endpoints, Asking(200, probe))
        proxy.leads[second] = A
        assert await gone(topology, topology.routes[1:], endpoints, Asking(200, probe)) == 1
        with pytest.raises(
            SystemFault, match=f"1 of 2 routes lead elsewhere: route-1 was .* service-0 at {A}"
        ):
            await prove(topology, endpoints, Asking(200, probe))

    with serving(proxy):
        probed(work)


def test_it_goes_on_as_long_as_more_come_live(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PodProbe, "live_limit_s", 1.0)
    proxy = Proxy({})
    at = [Endpoint("10.0.0.1", 80)]

    async def work(probe: PodProbe, _: LocalPods) -> None:
        topology = expand(TopologyPlan(routes=6, services=1), at)
        proving = asyncio.ensure_future(
            prove(topology, (Endpoint(proxy.address.host, proxy.address.port),), Asking(200, probe))
        )
        # In all longer than the limit.
        for number in range(6):
            await asyncio.sleep(0.5)
            assert not proving.done()
            proxy.leads[f"route-{number}.example.com"] = A
        assert await proving > 6

    with serving(proxy):
        probed(work, Faults())


def test_a_probe_that_is_lost_is_named_to_whoever_asks() -> None:
    proxy = Proxy({}, otherwise=A)

    async def work(probe: PodProbe, cluster: LocalPods) -> None:
        topology, endpoints = two_routes(proxy)
        process = cluster.pods["load-0"].process
        assert process is not None
        process.kill()
        for _ in range(2):
            with pytest.raises(
                EnvironmentFault, match="the probe, pod load-0 on node node-0, ended with exit"
            ):
                await prove(topology, endpoints, Asking(200, probe))
        assert probe.failure() == "pod load-0 on node node-0 ended with exit status 137"

    with serving(proxy):
        probed(work)


def test_a_question_that_does_not_arrive_is_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_probe, "INSIST_S", 0.2)
    proxy = Proxy({}, otherwise=A)

    async def work(probe: PodProbe, cluster: LocalPods) -> None:
        lost: list[str] = []
        pod = cluster.pods["load-0"]
        through = pod.take

        def once_lost(line: str) -> None:
            (through if lost else lost.append)(line)

        pod.take = once_lost
        asked = Question((Wanted("r", "/", 0),), (proxy.address,), SERVICES, 200, (0,))
        assert (await probe.ask(asked)).dead == ()
        assert (len(lost), len(proxy.asked)) == (1, 1)

    with serving(proxy):
        probed(work)


def test_a_probe_that_is_called_off_stops_asking() -> None:
    proxy = Proxy({}, otherwise=A)

    async def work(probe: PodProbe, _: LocalPods) -> None:
        routes = tuple(Wanted(f"r{number}", "/", 0) for number in range(20_000))
        asked = Question(routes, (proxy.address,), SERVICES, 200, tuple(range(20_000)))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(probe.ask(asked), 1.0)
        one = Question(routes[:1], (proxy.address,), SERVICES, 200, (0,))
        assert (await probe.ask(one)).dead == ()
        assert len(proxy.asked) < 20_000

    with serving(proxy):
        probed(work)


def test_a_late_word_to_give_up_ends_no_other_question() -> None:
    proxy = Proxy({}, otherwise=A)

    async def work(probe: PodProbe, cluster: LocalPods) -> None:
        one = Question((Wanted("r", "/", 0),), (proxy.address,), SERVICES, 200, (0,))
        assert (await probe.ask(one)).dead == ()
        pod = cluster.pods["load-0"]
        routes = tuple(Wanted(f"r{number}", "/", 0) for number in range(2_000))
        asking = asyncio.ensure_future(
            probe.ask(Question(routes, (proxy.address,), SERVICES, 200, tuple(range(2_000))))
        )
        for _ in range(20):
            # Of the question before, and of facts.
            for number in (0, 1):
                pod.take(json.dumps({"cmd": "give up", "id": number}))
            await asyncio.sleep(0.01)
        assert (await asking).dead == ()
        # Had it given up, those that it had not come to would be dead, or not asked.
        assert len(proxy.asked) == 2_001

    with serving(proxy):
        probed(work)


def test_who_does_not_wait_for_another_probe_does_not_end_its_making() -> None:
    made: list[LocalPods] = []

    def group_of(number: int) -> Group:
        made.append(SlowPods() if number > 1 else LocalPods())
        return Group(job(1, "probe"), made[-1])

    async def play() -> None:
        probe = LastingProbe(group_of, (), print)
        await probe.start()
        try:
            process = made[0].pods["load-0"].process
            assert process is not None
            process.kill()
            nothing = Question((), (), SERVICES, 200, ())
            with pytest.raises(EnvironmentFault):
                await probe.ask(nothing)
            for _ in range(100):
                with suppress(TimeoutError):
                    async with asyncio.timeout(SHORTER_S):
                        await probe.ask(nothing)
                        return
        finally:
            await probe.close()
            assert len(made) == 2
            assert all(len(cluster.deleted) == 1 for cluster in made)

    asyncio.run(play())


SHORTER_S, LONGER_S = 0.5, 1.5


class SlowPods(LocalPods):
    """A cluster where a pod takes longer to come up than who asks it has."""

    async def make(self, index: int, manifest: Mapping[str, Any]) -> None:
        await asyncio.sleep(LONGER_S)
        await super().make(index, manifest)


def test_a_lost_probe_of_a_run_is_made_again() -> None:
    proxy, notes = Proxy({}, otherwise=A), list[str]()

    async def play() -> None:
        clusters = [LocalPods(), LocalPods()]
        probe = LastingProbe(
            lambda number: Group(job(1, "probe"), clusters[number - 1]), ("net.core.somaxconn",), notes.append
        )
        await probe.start()
        try:
            one = Question((Wanted("r", "/", 0),), (proxy.address,), SERVICES, 200, (0,))
            assert (await probe.ask(one)).dead == ()
            process = clusters[0].pods["load-0"].process
            assert process is not None
            process.kill()
            with pytest.raises(EnvironmentFault, match=r"the probe, .* ended with exit status 137"):
                await probe.ask(one)
            assert (await probe.ask(one)).dead == ()
            assert probe.facts.machine.somaxconn
        finally:
            await probe.close()
        assert [len(cluster.deleted) for cluster in clusters] == [1, 1]

    with serving(proxy):
        asyncio.run(play())
    assert notes == [
        "the probe was lost: pod load-0 on node node-0 ended with exit status 137; another is made"
    ]


def test_what_is_known_of_a_lost_probe_stays_where_no_other_comes_up() -> None:
    """A trial after the one that failed for it is planned with what the first has read."""

    class NoRoom(LocalPods):
        async def create(self, manifest: Mapping[str, Any]) -> None:
            raise EnvironmentFault("no room")

    async def play() -> None:
        clusters = [LocalPods(), NoRoom(), LocalPods()]
        probe = LastingProbe(lambda number: Group(job(1, "probe"), clusters[number - 1]), (), lambda _: None)
        await probe.start()
        try:
            facts = probe.facts
            process = clusters[0].pods["load-0"].process
            assert process is not None
            process.kill()
            one = Question((), (), SERVICES, 200, ())
            with pytest.raises(EnvironmentFault, match="ended with exit status 137"):
                await probe.ask(one)
            with pytest.raises(EnvironmentFault, match="no room"):
                await probe.ask(one)
            assert (probe.facts, probe.node) == (facts, "node-0")
            assert (await probe.ask(one)).dead == ()
        finally:
            await probe.close()

    asyncio.run(play())
