"""What a trial does where its system or its origin goes away; both are real."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import pytest
from tests.support.members import processes_of
from tests.support.runs import Bench

from seatrial.errors import GeneratorFault, SystemFault
from seatrial.machine import proc
from seatrial.machine.address import Endpoint
from seatrial.machine.place import ThisMachine
from seatrial.machine.proc import ProcessRef
from seatrial.plan.read import read_given_plan
from seatrial.record.reader import RunReader
from seatrial.run.activities.traffic import Traffic
from seatrial.run.ending import Ending
from seatrial.run.plan import Audience, run_plan
from seatrial.run.testbed import bed
from seatrial.run.testbed.watch import Watch
from seatrial.systems import registry
from seatrial.systems.base import Launch, Origin
from seatrial.systems.direct import DirectSystem
from seatrial.systems.envoy.system import EnvoyOptions
from seatrial.systems.origins.options import OriginPlan
from seatrial.systems.origins.seatrial import SeatrialOrigin
from seatrial.topology.expand import Topology

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from seatrial.run.activities.base import Takes

REQUESTS = 3


@asynccontextmanager
async def a_testbed(directory: Path) -> AsyncIterator[bed.Testbed]:
    made = bed.Testbed(EnvoyOptions().create(), SeatrialOrigin(OriginPlan()), "envoy")

    def launching(label: str, topology: Topology) -> Launch:
        return Launch(directory, directory, topology, 100, ThisMachine(), label)

    try:
        await made.set_up(launching, 10.0)
        yield made
    finally:
        await made.put_back()


def ask(address: Endpoint) -> None:
    for _ in range(REQUESTS):
        client = http.client.HTTPConnection(address.host, address.port, timeout=30)
        client.request("GET", "/")
        assert client.getresponse().status == 200
        client.close()


async def kill(pid: int, of: bed.Testbed) -> None:
    os.kill(pid, signal.SIGKILL)
    for _ in range(400):
        if of.system.failure() or of.origin.failure():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("its end was not noticed")


@pytest.mark.parametrize("dead", ["system", "origin"])
def test_a_side_that_cannot_be_counted_is_named_and_the_other_side_is_counted(
    tmp_path: Path, dead: str
) -> None:
    async def trial() -> None:
        async with a_testbed(tmp_path) as made:
            await asyncio.to_thread(ask, made.endpoints[0])
            await kill(processes_of(made.system if dead == "system" else made.origin)[0].pid, made)
            counts, facts = await made.counts(REQUESTS)
            assert counts.system_requests == (None if dead == "system" else REQUESTS)
            assert counts.origin_requests == (None if dead == "origin" else REQUESTS)
            assert len(facts.uncounted) == 1
            assert facts.uncounted[0].startswith(f"{dead}: ")

    asyncio.run(trial())


@dataclass(slots=True)
class Seen:
    """What a run's trials made, before their loads were to begin."""

    origins: list[SeatrialOrigin] = field(default_factory=list)
    load_seeds: list[int] = field(default_factory=list)
    processes: list[ProcessRef] = field(default_factory=list)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Let trials run up to their loads, and keep what they made."""
    kept = Seen()
    create = registry.create_origin

    def create_origin(plan: OriginPlan, seed: int = 1) -> Origin:
        kept.origins.append(origin := cast("SeatrialOrigin", create(plan, seed)))
        return origin

    async def start(traffic: Traffic) -> Takes:
        kept.load_seeds.append(traffic.load.seed)
        kept.processes += processes_of(kept.origins[-1])
        raise GeneratorFault("no load is wanted here")

    monkeypatch.setattr(registry, "create_origin", create_origin)
    monkeypatch.setattr(Traffic, "start", start)
    return kept


def test_trials_and_roles_draw_from_streams_of_their_own(tmp_path: Path, seen: Seen) -> None:
    bench = Bench(tmp_path)
    asyncio.run(run_plan(read_given_plan(bench.plan("direct", "direct")), bench.runs, Audience(), Ending()))
    # Those that were only asked for their version were not started.
    origin_seeds = [origin._seed for origin in seen.origins if origin._seed != 1]
    assert len(seen.load_seeds) == len(origin_seeds) == 2
    assert len({*seen.load_seeds, *origin_seeds}) == 4
    # Each process adds its number; a neighbour's stream must be out of reach.
    ordered = sorted([*seen.load_seeds, *origin_seeds])
    assert all(later - earlier > 1_000_000 for earlier, later in pairwise(ordered))


def test_an_origin_is_stopped_and_the_trial_recorded_though_its_system_does_not_stop(
    tmp_path: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stop(_: DirectSystem) -> None:
        raise SystemFault("it does not stop")

    monkeypatch.setattr(DirectSystem, "stop", stop)
    bench = Bench(tmp_path)
    outcome = asyncio.run(run_plan(read_given_plan(bench.plan("direct")), bench.runs, Audience(), Ending()))
    assert isinstance(outcome.fault, SystemFault)
    assert outcome.fault.what == "it does not stop"
    with RunReader.open(bench.run_directory()) as reader:
        (trial,) = reader.trials()
    assert (trial.state, trial.failure) == ("failed", "no load is wanted here")
    assert seen.processes
    assert not any(proc.is_alive(ref.pid, ref.started_ticks) for ref in seen.processes)


def test_a_watch_that_cannot_begin_leaves_no_task_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[str] = []

    async def start(_: Watch) -> None:
        raise SystemFault("it cannot be watched")

    async def run() -> None:
        bench = Bench(tmp_path)
        await run_plan(read_given_plan(bench.plan("direct")), bench.runs, Audience(), Ending())
        # A task that was cancelled ends at the loop's next turn.
        await asyncio.sleep(0)
        left.extend(str(task.get_coro()) for task in asyncio.all_tasks() - {asyncio.current_task()})

    monkeypatch.setattr(Watch, "start", start)
    asyncio.run(run())
    assert not left
