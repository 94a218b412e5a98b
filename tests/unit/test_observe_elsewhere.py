"""Members that are not on this machine, beside the looks at those that are: in a watch, and in the record."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from tests.support.made_run import compiled_plan

from seatrial.machine.members import Member, PodRef
from seatrial.observe.sampler import Sampler
from seatrial.observe.samples import (
    ClusterEvent,
    Interface,
    NetworkSample,
    NodeAway,
    NodeSample,
    ProcessSample,
    Sample,
)
from seatrial.record.reader import RunReader
from seatrial.record.writer import RunWriter
from seatrial.run.testbed.watch import Watch
from seatrial.systems.base import Origin, System

POD = Member("system", "envoy-1", (), PodRef("shop", "envoy-1", "u", "node-a"))
PROCESS = ProcessSample(
    12.0,
    "system",
    "envoy-1",
    "u/a",
    "envoy",
    3.0,
    1.0,
    None,
    None,
    None,
    None,
    None,
    working_set_bytes=1 << 20,
)
NETWORK = NetworkSample(13.0, "u", ("system",), {}, {"eth0": Interface(*range(8))}, pod="shop/envoy-1")
AWAY = NodeAway("node-a", ("system",), 15.0, 16.0)
NODE = NodeSample(14.0, "node-a", ("generator", "system"), 99.5, None, None)


@dataclass
class Cluster:
    """One that answers a look after so long, and then with these."""

    takes_s: float = 0.0
    interval_s: float = 0.05
    cpu_s: float = 0.25

    def away(self) -> tuple[NodeAway, ...]:
        return (AWAY,)

    async def look(self, members: Iterable[Member], *, at_once: bool = False) -> list[Sample]:
        assert POD in members
        await asyncio.sleep(self.takes_s)
        return [PROCESS, NETWORK]

    async def finish(self, members: Iterable[Member]) -> list[Sample]:
        await self.look(members)
        return [NODE, ClusterEvent("it was so")]

    def runs_beside(self) -> tuple[str, ...]:
        return ("first-1 on node-a",)

    def remarks(self) -> tuple[str, ...]:
        return ("not all of it",)


def test_a_kubelet_that_does_not_answer_holds_up_no_look_at_this_machine() -> None:
    async def run() -> None:
        seen: list[Sample] = []
        sampler = Sampler(seen.append, lambda: [POD], interval_s=0.05, elsewhere=Cluster(takes_s=3_600))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sampler.run(), 1.0)
        assert sampler.cost().looks >= 3
        assert sampler.cost().cpu_s >= 0.25
        assert PROCESS not in seen
        sampler.close()

    asyncio.run(run())


@pytest.mark.parametrize("answers", [True, False])
def test_what_a_watch_takes_from_elsewhere_comes_back_from_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    monkeypatch.setattr("seatrial.run.testbed.watch.LAST_LOOK_LIMIT_S", 0.2)
    nobody = SimpleNamespace(members=tuple, failure=lambda: None, proxies=tuple)

    async def asked(**_: bool) -> SimpleNamespace:
        return SimpleNamespace(at_s=1.0, members={})

    system = SimpleNamespace(members=lambda: (POD,), failure=lambda: None, proxies=tuple, counters=asked)
    cluster = Cluster(0.0 if answers else 3_600.0)

    async def run(writer: RunWriter) -> None:
        stop = asyncio.Event()
        watch = Watch(
            1,
            "envoy",
            cast("System", system),
            cast("Origin", nobody),
            writer.append,
            stop,
            elsewhere=cluster,
        )
        await watch.start()
        await asyncio.sleep(0.2)
        await watch.end()
        assert watch.remarks() == ("not all of it",)
        assert watch.runs_beside() == ("first-1 on node-a",)

    with RunWriter.create(tmp_path, "p", "", json.dumps(compiled_plan())) as writer:
        asyncio.run(run(writer))
    with RunReader.open(writer.path) as reader:
        of_pods = [one for one in reader.process_samples(1) if one.role == "system"]
        assert (PROCESS in of_pods) == answers
        assert (NETWORK in reader.network_samples(1)) == answers
        assert reader.node_samples(1) == ((NODE,) if answers else ())
        assert [entry.text for entry in reader.journal()] == (["it was so"] if answers else [])
