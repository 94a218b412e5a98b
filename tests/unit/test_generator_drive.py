"""Driving a load: what is called off has cleared up before the next step."""

from __future__ import annotations

import asyncio

from tests.support.channels import Opener, specs

from seatrial.generator.crew import Crew
from seatrial.generator.drive import Drive
from seatrial.generator.messages import Done
from seatrial.generator.ramp import RampWatch
from seatrial.machine.waiting import unless
from seatrial.workload.profile import constant
from seatrial.workload.spec import LoadSpec, Target

LOAD = LoadSpec(targets=(Target("127.0.0.1", 80),), profile=constant(10), measure_s=1.0)


class SlowToClearUp(Crew):
    """A crew whose ramp has no end, and takes a turn of the loop or two to be called off."""

    def __init__(self, stop: asyncio.Event) -> None:
        super().__init__(specs(1), Opener().open, lambda _: None)
        self._stop = stop
        self.seen: list[str] = []

    async def ready(self, watch: RampWatch) -> bool:
        self._stop.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(3):
                await asyncio.sleep(0)
            self.seen.append("the ramp has cleared up")
        return True

    def stop(self) -> None:
        self.seen.append("stop")

    async def finished(self, limit_s: float) -> tuple[Done, ...]:
        self.seen.append("finished")
        return (Done(0, 0, 0),)


async def stopped_in_its_ramp() -> list[str]:
    stop = asyncio.Event()
    crew = SlowToClearUp(stop)
    drive = Drive(LOAD, crew)
    await unless(stop, drive.ramp())
    driven = await drive.finish(stop, asyncio.Event())
    assert (driven.ramp_complete, driven.interrupted, driven.start_ns) == (False, True, None)
    return crew.seen


def test_a_step_that_is_called_off_has_cleared_up_before_the_next():
    assert asyncio.run(stopped_in_its_ramp())[0] == "the ramp has cleared up"
