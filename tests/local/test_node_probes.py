"""Probes in the networks of nodes, in pods that processes of this machine play: its own kernel is the judge."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.support.pods import LocalPods, job

from seatrial.errors import EnvironmentFault
from seatrial.observe import nodes
from seatrial.observe.nodes import NodeNetworks
from seatrial.observe.samples import NetworkSample
from seatrial.pods.group import Group
from seatrial.probe.looks import Looks
from seatrial.run.places.node_probes import NodeProbesOfRun
from seatrial.run.places.our_pods import OurPods

ON_IT: Any = {"node-0": ("system",)}
UNKNOWN = "not known: what the kernel of node node-0 counts"


class Held(LocalPods):
    """Pods that come up once they are ``let``."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()

    async def make(self, index: int, manifest: Mapping[str, Any]) -> None:
        await self.let.wait()
        await super().make(index, manifest)


class Refusing(LocalPods):
    """Pods that nobody may make."""

    async def create(self, manifest: Mapping[str, Any]) -> None:
        raise EnvironmentFault("cannot make it", cause="a quota is\nused up")


async def no_namespace(*_: object) -> None:
    """Make none: played pods are in none."""


def probes_of(
    clusters: Sequence[LocalPods], notes: list[str], namespace: Callable[..., Any] = no_namespace
) -> NodeProbesOfRun:
    """Return what makes each pod on the next of these."""
    each = iter(clusters)
    pods = SimpleNamespace(
        owned=SimpleNamespace(namespace=namespace),
        namespace="nodes",
        group=lambda *_, **__: Group(job(1, "probe"), next(each)),
    )
    return NodeProbesOfRun(cast("OurPods", pods), 60.0, notes.append)


async def looked(networks: NodeNetworks) -> NetworkSample:
    """Return the first look that there is."""
    for _ in range(1_000):
        if found := await networks.look(ON_IT, at_once=True):
            return found[-1]
        await asyncio.sleep(0.02)
    raise AssertionError("no look came about")


def processed() -> int:
    return sum(int(line.split()[0], 16) for line in Path("/proc/net/softnet_stat").read_text().splitlines())


def test_what_a_probe_reads_is_what_the_kernel_says_itself() -> None:
    async def play() -> None:
        probes = probes_of([LocalPods()], [])
        networks = NodeNetworks(probes)
        try:
            await looked(networks)
            # What is counted lies between two looks.
            assert list(networks.remarks()) == [f"{UNKNOWN}: its probe ran only at the end of the trial"]
            before = processed()
            sample = await looked(networks)
            assert before <= sample.values["softnet_processed"] <= processed()
            assert (sample.node, sample.roles) == ("node-0", ("system",))
            assert list(networks.remarks()) == []
        finally:
            await probes.close()

    asyncio.run(play())


def test_a_probe_looks_by_itself_and_is_asked_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it saw between two questions is known with its moments, and the kernel was so at them."""
    monkeypatch.setattr(nodes, "LOOK_EVERY_S", 0.1)

    async def play() -> None:
        probes = probes_of([LocalPods()], [])
        networks = NodeNetworks(probes)
        try:
            await looked(networks)
            truth = []
            for _ in range(150):
                # It is not its turn.
                assert await networks.look(ON_IT) == []
                before_s, count = time.monotonic(), processed()
                truth.append((before_s, time.monotonic(), count))
                await asyncio.sleep(0.01)
            asked_s = time.monotonic()
            samples = await networks.look(ON_IT, at_once=True)
            assert len(samples) > 5
            # An answer is put where the middle of its way was, which may be long on a machine that does much else.
            error_s = 0.05 + (time.monotonic() - asked_s) / 2
            for earlier, later in pairwise(samples):
                assert later.at_s - earlier.at_s >= 0.09 or later is samples[-1]
                least = max((count for _, end_s, count in truth if end_s < later.at_s - error_s), default=0)
                most = [count for start_s, _, count in truth if start_s > later.at_s + error_s]
                assert least <= later.values["softnet_processed"] <= min(most, default=2**63)
            assert await networks.look(ON_IT) == []
        finally:
            await probes.close()

    asyncio.run(play())


def test_looks_whose_answer_was_lost_come_with_the_next() -> None:
    taken = Looks(60.0)
    first = taken.after(0)
    assert [look["number"] for look in first] == [1]
    assert [look["number"] for look in taken.after(0)] == [1, 2]
    assert [look["number"] for look in taken.after(2)] == [3]


def test_one_that_is_lost_is_made_again_and_no_look_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        first, second, notes = LocalPods(), Held(), list[str]()
        probes = probes_of([first, second], notes)
        networks = NodeNetworks(probes)
        try:
            await looked(networks)
            process = first.pods["load-0"].process
            assert process is not None
            process.kill()
            for _ in range(1_000):
                await networks.look(ON_IT, at_once=True)
                if notes:
                    break
                await asyncio.sleep(0.02)
            # Longer than a look may take: who makes it is not called off for that.
            monkeypatch.setattr(nodes, "READ_LIMIT_S", 0.05)
            for _ in range(5):
                assert await networks.look(ON_IT, at_once=True) == []
                await asyncio.sleep(0.05)
            monkeypatch.undo()
            second.let.set()
            await looked(networks)
        finally:
            await probes.close()
        assert [len(cluster.deleted) for cluster in (first, second)] == [1, 1]
        assert notes == [
            "the probe of a node was lost: pod load-0 on node node-0 ended with exit status 137; another is made"
        ]

    asyncio.run(play())


def test_one_that_cannot_be_made_is_not_tried_again_and_says_why() -> None:
    async def play() -> None:
        probes = probes_of([Refusing()], [])
        networks = NodeNetworks(probes)
        for _ in range(20):
            assert await networks.look(ON_IT) == []
        await probes.close()
        assert list(networks.remarks()) == [f"{UNKNOWN}: cannot make it (a quota is used up)"]

    asyncio.run(play())


def test_a_namespace_that_is_being_made_when_the_run_ends_is_waited_for() -> None:
    """Whoever removes what the run has made looks for it once."""

    async def play() -> None:
        asked, answered, made = asyncio.Event(), asyncio.Event(), list[str]()

        async def namespace(name: str, *_: object) -> None:
            asked.set()
            await answered.wait()
            made.append(name)

        probes = probes_of([], [], namespace)
        assert probes.on("node-0") is None
        await asked.wait()
        closing = asyncio.ensure_future(probes.close())
        await asyncio.sleep(0.05)
        assert not closing.done()
        answered.set()
        await closing
        assert made == ["nodes"]

    asyncio.run(play())
