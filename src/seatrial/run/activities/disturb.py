"""What a plan has done to its systems while they are measured: each thing at its time, beside the traffic."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from seatrial.errors import SystemFault
from seatrial.plan.model.during import DRAIN_LIMIT_S, DisturbancePlan
from seatrial.record.events import DisturbanceEnded, DisturbanceStarted, Noted
from seatrial.run.activities.base import Bed, Setting, Takes, Timeline, sleep_until
from seatrial.systems.disturbance import OF_ONE_MEMBER, Reconfigured

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from seatrial.record.events import Event
    from seatrial.run.ending import Ending
    from seatrial.systems.disturbance import Disturbable


class Disturbances:
    """The disturbances of one trial as an activity, in order of their times."""

    completed = 0
    """What a change of the topology asks for is recorded with the disturbance: it is no load."""

    def __init__(
        self, trial: int, planned: Sequence[DisturbancePlan], bed: Bed, record: Callable[[Event], None]
    ) -> None:
        self._trial = trial
        self._planned = planned
        self._bed = bed
        self._record = record

    async def start(self) -> Takes:
        """Have nothing to start."""
        return Takes()

    async def ready(self) -> bool:
        """Be ready."""
        return True

    async def run(self, timeline: Timeline) -> None:
        """Do each when its time has come; one that takes longer puts off those after it.

        Raises ``SystemFault`` where one cannot be done, or is not done when the timeline ends.
        """
        for number, one in enumerate(self._planned, start=1):
            await sleep_until(timeline.measure_ns + round(one.at_s * 1e9))
            self._record(DisturbanceStarted(self._trial, number, one.words, time.monotonic()))
            self._record(Noted("seatrial", f"disturbance {number}: {one.words}", self._trial))
            left_s = max(0.0, (timeline.end_ns - time.monotonic_ns()) / 1e9)
            try:
                async with asyncio.timeout(left_s):
                    asked = await self._done(one)
            except TimeoutError:
                raise SystemFault(
                    f"`{one.words}` was not done when the measure phase ended, {left_s:.1f} s after it began",
                    next_step="a longer `measure`, or an earlier `at`",
                ) from None
            self._record(DisturbanceEnded(self._trial, number, time.monotonic(), asked))

    async def finish(self, ending: Ending) -> None:
        """Have nothing to end."""

    async def close(self) -> None:
        """Have nothing to put back: the testbed ends what there is."""

    async def _done(self, one: DisturbancePlan) -> int:
        """Do it; return how many requests were made beside the load for it."""
        if one.do in OF_ONE_MEMBER:
            for proxy in self._of(one.member):
                await _to_one(proxy, one)
            return 0
        if one.do == "pause origin":
            await self._pause_origin(one.for_s or 0.0)
            return 0
        if one.endpoint is not None:
            await self._bed.pause_endpoint(one.endpoint, one.service, one.for_s or 0.0)
            return 0
        if one.do == "restart controller":
            await self._restart_controller()
            return 0
        if one.do == "swap certificate":
            return await self._bed.swap_certificate()
        return await self._bed.change_topology(one.changed)

    def _of(self, member: int | None) -> Sequence[Disturbable]:
        proxies = self._bed.system.proxies()
        if member is not None and member > len(proxies):
            raise SystemFault(f"there is no member {member} of {len(proxies)} to be disturbed")
        return proxies if member is None else proxies[member - 1 : member]

    async def _restart_controller(self) -> None:
        system = self._bed.system
        # Of any other the plan was refused.
        assert isinstance(system, Reconfigured)
        await system.restart_controller()

    async def _pause_origin(self, for_s: float) -> None:
        pids = [process.pid for member in self._bed.origin.members() for process in member.processes]
        try:
            _signal(pids, signal.SIGSTOP)
            await asyncio.sleep(for_s)
        finally:
            _signal(pids, signal.SIGCONT)


async def _to_one(proxy: Disturbable, one: DisturbancePlan) -> None:
    match one.do:
        case "reload":
            await proxy.reload()
        case "restart":
            await proxy.restart()
        case "drain":
            await proxy.drain(one.for_s or DRAIN_LIMIT_S)
        case "kill":
            await proxy.kill()
            if one.for_s is not None:
                await asyncio.sleep(one.for_s)
                await proxy.revive()


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def disturbances_of(setting: Setting) -> Disturbances | None:
    """Return those of a trial, None where nothing is done to its system: it may have no proxy."""
    case = setting.trial.case
    if not case.disturbances:
        return None
    return Disturbances(setting.trial.order, case.disturbances, setting.bed, setting.record)
