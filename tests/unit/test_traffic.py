"""Traffic as an activity: what its workers are told, and when its cost is read, whatever becomes of it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from tests.support.channels import Opener, SimulatedChannel

from seatrial.generator.account import Driven, WorkersCost
from seatrial.generator.channel import LocalChannel
from seatrial.machine.namespaces import Namespaces
from seatrial.machine.processes.changes import Unrecorded
from seatrial.preflight.ports import PORTS_PER_SOURCE
from seatrial.record.events import Phase
from seatrial.run.activities.base import Takes, Timeline
from seatrial.run.activities.conduct import conduct
from seatrial.run.activities.traffic import Traffic
from seatrial.run.ending import Ending
from seatrial.run.workers import local as local_workers
from seatrial.run.workers.local import LocalWorkers
from seatrial.workload.profile import constant
from seatrial.workload.spec import LoadSpec, Target

LOAD = LoadSpec(
    targets=(Target("127.0.0.1", 80),), active=1, profile=constant(10), warmup_s=0.02, measure_s=0.02
)
REACTION_S = 0.01


class Player(Opener):
    """A worker whose connections are there at once, unless it ``dies``, and who is done once told to stop."""

    def __init__(self, *, dies: bool = False) -> None:
        super().__init__()
        self._dies = dies

    async def open(self, spec: Mapping[str, Any], **_: object) -> SimulatedChannel:
        channel = await super().open(spec)
        tell = channel.send

        def send(command: Mapping[str, Any]) -> None:
            tell(command)
            # The schedule ends by itself.
            delay_s = LOAD.warmup_s + LOAD.measure_s if command["cmd"] == "go" else 0.0
            asyncio.get_running_loop().call_later(delay_s + REACTION_S, channel.done)

        channel.send = send  # type: ignore[method-assign]
        if self._dies:
            channel.end(1, "it died")
        else:
            channel.say("ready")
        return channel


class Lame:
    """An activity that is not ready, and whose time to say so can be used."""

    completed = 0

    def __init__(self, meanwhile: Callable[[], Awaitable[object]], *, is_ready: bool = False) -> None:
        self._meanwhile, self._is_ready = meanwhile, is_ready

    async def start(self) -> Takes:
        return Takes()

    async def ready(self) -> bool:
        await self._meanwhile()
        return self._is_ready

    async def run(self, timeline: Timeline) -> None: ...
    async def finish(self, ending: Ending) -> None: ...
    async def close(self) -> None: ...


class Meter:
    """Keeps the phases that it hears of, among those that everybody hears of."""

    heard: list[str]

    def __init__(self, pids: object, *, networks: object) -> None: ...

    def on_phase(self, phase: Phase) -> None:
        self.heard.append(f"the meter: {phase}")

    def cost(self) -> WorkersCost:
        return WorkersCost(pss_bytes=7)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    Meter.heard = []
    monkeypatch.setattr(local_workers, "CostMeter", Meter)
    return Meter.heard


def driven(
    monkeypatch: pytest.MonkeyPatch, player: Player, ending: Ending, *others: Lame
) -> tuple[Driven, list[str]]:
    """Conduct traffic beside others; return how it went, and what its worker was told."""
    ends: list[tuple[Driven, WorkersCost]] = []

    async def play() -> Traffic:
        traffic = Traffic(LOAD, lambda _: None, lambda *_: None, lambda how, cost: ends.append((how, cost)))
        await conduct(
            (*others, traffic),
            LOAD.warmup_s,
            LOAD.measure_s,
            ending,
            lambda phase, *_: Meter.heard.append(phase),
        )
        return traffic

    monkeypatch.setattr(LocalChannel, "open", player.open)
    traffic = asyncio.run(play())
    ((how, cost),) = ends
    assert (traffic.account.driven, traffic.account.cost) == (how, cost)
    assert cost.pss_bytes == 7
    return how, player.channels[0].commands


def test_connections_in_a_namespace_leave_from_as_many_of_its_addresses_as_they_need(monkeypatch) -> None:
    bound: list[tuple[tuple[str, ...], object]] = []
    monkeypatch.setattr(local_workers, "require_sources", lambda *asked: bound.append(asked))
    places = Namespaces(Unrecorded()).places()
    ports = {places.load.namespace: 30_000}
    monkeypatch.setattr(local_workers, "_ports_in", ports.__getitem__)
    many = dataclasses.replace(LOAD, held=2 * PORTS_PER_SOURCE + 1 - LOAD.active)
    traffic = Traffic(many, lambda _: None, lambda *_: None, workers=LocalWorkers(places))
    assert traffic.load.sources == ("198.18.0.2", "198.18.0.3", "198.18.0.4")
    assert bound == [(traffic.load.sources, places.load.namespace)]
    assert traffic.account.asked.served_here
    given = dataclasses.replace(many, sources=("198.18.9.1",))
    named = Traffic(given, lambda _: None, lambda *_: None, workers=LocalWorkers(places))
    assert named.load.sources == ("198.18.9.1",)
    # Of the ports that there are in the namespace, whatever this machine has.
    ports[places.load.namespace] = 15_000
    assert len(Traffic(many, lambda _: None, lambda *_: None, workers=LocalWorkers(places)).load.sources) == 4
    few = Traffic(LOAD, lambda _: None, lambda *_: None, workers=LocalWorkers(places))
    assert few.load.sources == ()


def test_a_load_to_its_end(monkeypatch, heard) -> None:
    how, told = driven(monkeypatch, Player(), Ending())
    assert told == ["go"]
    assert (how.ramp_complete, how.interrupted, how.start_ns is None) == (True, False, False)
    phases = ["ramp", "warm up", "measure", "cool down"]
    # What the load costs is read before others look at the machine; where the window begins whoever wakes first looks.
    assert sorted(heard) == sorted([*phases, *(f"the meter: {phase}" for phase in phases)])
    for phase in ("ramp", "warm up", "cool down"):
        assert heard.index(f"the meter: {phase}") < heard.index(phase)


def test_without_a_ramp_there_is_no_schedule(monkeypatch, heard) -> None:
    how, told = driven(monkeypatch, Player(dies=True), Ending())
    assert "go" not in told
    assert (how.ramp_complete, how.interrupted, how.start_ns) == (False, False, None)
    assert how.lost
    assert heard == ["the meter: ramp", "ramp", "the meter: cool down", "cool down"]


def test_where_something_else_is_not_ready_the_workers_are_sent_home_once(monkeypatch, heard) -> None:
    how, told = driven(monkeypatch, Player(), Ending(), Lame(lambda: asyncio.sleep(0)))
    # A second word would end the drain.
    assert told == ["stop"]
    assert (how.ramp_complete, how.interrupted, how.start_ns) == (True, False, None)
    assert "measure" not in heard


def test_what_is_stopped_before_the_others_are_ready_is_stopped_once(monkeypatch, heard) -> None:
    ending = Ending()

    async def stop() -> None:
        await asyncio.sleep(0.02)
        ending.stop.set()
        await asyncio.Event().wait()

    how, told = driven(monkeypatch, Player(), ending, Lame(stop))
    assert told == ["stop"]
    assert (how.ramp_complete, how.interrupted, how.start_ns) == (True, True, None)


def test_a_load_waits_for_what_takes_longer_to_be_ready(monkeypatch, heard) -> None:
    how, told = driven(monkeypatch, Player(), Ending(), Lame(lambda: asyncio.sleep(0.05), is_ready=True))
    assert told == ["go"]
    assert how.start_ns is not None
