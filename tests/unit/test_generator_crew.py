"""What a crew makes of what its workers say, played without any process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from tests.support.channels import Opener, SimulatedChannel, specs

from seatrial.errors import GeneratorFault
from seatrial.generator.crew import Crew
from seatrial.generator.frames import Frame
from seatrial.generator.messages import Done
from seatrial.generator.ramp import RampWatch
from seatrial.workload.profile import constant
from seatrial.workload.spec import LoadSpec, Target

LOAD = LoadSpec(targets=(Target("127.0.0.1", 80),), profile=constant(10), held=4, active=2, timeout_s=0.1)
TURNS = 20


def played(scene: Callable[[Crew, list[SimulatedChannel], list[Frame]], Awaitable[None]]) -> None:
    async def play() -> None:
        opener, frames = Opener(), list[Frame]()
        crew = Crew(specs(2), opener.open, frames.append)
        try:
            await crew.start()
            await scene(crew, opener.channels, frames)
        finally:
            await crew.close()

    asyncio.run(play())


async def heard() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


def watch() -> RampWatch:
    return RampWatch(LOAD, 2, time.monotonic())


def test_the_ramp_is_over_when_every_worker_is_ready() -> None:
    async def scene(crew: Crew, channels: list[SimulatedChannel], _: list[Frame]) -> None:
        ready = asyncio.ensure_future(crew.ready(watch()))
        channels[0].say("ready")
        await heard()
        assert not ready.done()
        channels[1].say("ready")
        assert await ready

    played(scene)


def test_a_worker_that_ends_in_the_ramp_ends_it_and_is_lost() -> None:
    async def scene(crew: Crew, channels: list[SimulatedChannel], _: list[Frame]) -> None:
        channels[0].say("ready")
        channels[1].end(-9)
        assert not await crew.ready(watch())
        assert crew.lost == ["worker 1 ended with -9: no words"]

    played(scene)


def test_commands_go_to_those_that_are_there() -> None:
    async def scene(crew: Crew, channels: list[SimulatedChannel], _: list[Frame]) -> None:
        crew.go(1)
        channels[0].end(1, "a bug")
        await heard()
        crew.stop()
        assert [channel.commands for channel in channels] == [["go"], ["go", "stop"]]

    played(scene)


@pytest.mark.parametrize("broken", [{"held": 1}, {"closed_by_peer": 1}, {"reset_by_peer": 1}])
def test_connections_are_stable_once_none_has_been_missing_for_so_long(broken: dict[str, int]) -> None:
    async def scene(crew: Crew, channels: list[SimulatedChannel], _: list[Frame]) -> None:
        for channel in channels:
            channel.say("ready")
        stable = asyncio.ensure_future(crew.stable(0.2, 10.0))
        await asyncio.sleep(0.15)
        channels[0].frame(**broken)
        channels[1].frame()
        disturbed_s = time.monotonic()
        while not stable.done():
            await asyncio.sleep(0.05)
            for channel in channels:
                channel.frame()
        assert await stable
        assert time.monotonic() - disturbed_s >= 0.2

    played(scene)


def test_last_words_are_waited_for_and_who_says_none_is_named() -> None:
    async def scene(crew: Crew, channels: list[SimulatedChannel], _: list[Frame]) -> None:
        channels[0].done(measured_ns=5)
        assert await crew.finished(0.1) == (Done(0, 5, 0),)
        assert crew.lost == ["worker 1 did not finish"]

    played(scene)


def test_frames_are_passed_on_in_the_order_in_which_they_come() -> None:
    async def scene(_: Crew, channels: list[SimulatedChannel], frames: list[Frame]) -> None:
        for seq in range(3):
            channels[seq % 2].frame(seq=seq)
            await heard()
        assert [(frame.worker, frame.seq) for frame in frames] == [(0, 0), (1, 1), (0, 2)]

    played(scene)


def test_a_worker_that_ends_before_its_hello_has_not_started() -> None:
    async def play() -> None:
        opener = Opener(silent=(1,))
        crew = Crew(specs(2), opener.open, lambda _: None)
        start = asyncio.ensure_future(crew.start())
        await heard()
        opener.channels[1].end(2, "no such field")
        try:
            await start
        finally:
            await crew.close()

    with pytest.raises(GeneratorFault, match="worker 1 did not start") as caught:
        asyncio.run(play())
    assert caught.value.cause == "no such field"
