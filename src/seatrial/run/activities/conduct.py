"""Activities together: all ready, one timeline, all to its end; and each is ended, whatever becomes of the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from seatrial.errors import SeatrialError
from seatrial.machine.waiting import to_its_end, unless
from seatrial.run.activities.base import Activity, Takes, Timeline, sleep_until
from seatrial.run.ending import Ending

if TYPE_CHECKING:
    from seatrial.record.events import Phase

OnPhase = Callable[["Phase", int, float | None], None]
"""Hears of each phase as it begins: its name, when (CLOCK_MONOTONIC, ns), and how long it should take (s)."""


async def conduct(
    activities: Sequence[Activity], warmup_s: float, measure_s: float, ending: Ending, on_phase: OnPhase
) -> bool:
    """Have activities get ready, follow one timeline and finish; return whether ``ending.stop`` ended them early.

    Where one does not get ready, there is no timeline. Cancelling this closes all of them and waits for nothing else.

    Raises
    ------
    SeatrialError
        What the first that failed had raised; the others were ended in order, and all were closed.
    """
    company = _Company(activities, on_phase)
    try:
        try:
            await company.play(warmup_s, measure_s, ending.stop)
        except SeatrialError:
            await company.give_up(ending)
            raise
        await company.finish(ending)
        ended_early = ending.stop.is_set()
    except BaseException:
        # What cannot be closed either follows from it.
        with suppress(Exception):
            await _close(activities)
        raise
    await _close(activities)
    return ended_early


class _Company:
    """Activities under way; ``sound`` are those that have started and have not failed."""

    def __init__(self, activities: Sequence[Activity], on_phase: OnPhase) -> None:
        self._activities = activities
        self._on_phase = on_phase
        self._takes: list[Takes] = []
        self._sound: list[Activity] = []
        self._failures: list[Exception] = []
        self._is_over_early = False

    async def play(self, warmup_s: float, measure_s: float, stop: asyncio.Event) -> None:
        """Go from the start to the end of the timeline, or until ``stop``; the first failure is raised."""
        await self._start()
        with suppress(_CalledOff):
            is_ready = await unless(stop, self._ready())
            if is_ready and not stop.is_set():
                start_ns = time.monotonic_ns() + max((takes.notice_ns for takes in self._takes), default=0)
                timeline = Timeline.starting(start_ns, warmup_s, measure_s)
                await unless(stop, self._run(timeline))
                self._is_over_early = timeline.over.is_set()
        if self._failures:
            # The first in time; of one that failed while it was called off nobody has heard yet.
            raise self._failures[0]

    async def finish(self, ending: Ending) -> None:
        """End in order those that are sound; where the timeline was over early, schedules are not at their end."""
        if self._is_over_early and not ending.stop.is_set():
            ending = _early(ending)
        finish_s = max((takes.finish_s for takes in self._takes), default=0.0)
        self._on_phase("cool down", time.monotonic_ns(), finish_s)
        await _all_of(activity.finish(ending) for activity in self._sound)

    async def give_up(self, ending: Ending) -> None:
        """End in order, and early, those that are sound: another has failed."""
        if self._sound:
            # What fails from here on follows from the first failure.
            with suppress(SeatrialError):
                await self.finish(_early(ending))

    async def _start(self) -> None:
        for activity in self._activities:
            self._takes.append(await activity.start())
            self._sound.append(activity)
        ready_s = max((takes.ready_s for takes in self._takes), default=0.0)
        self._on_phase("ramp", time.monotonic_ns(), ready_s)

    async def _ready(self) -> bool:
        await _together([self._minding(activity, partial(_get_ready, activity)) for activity in self._sound])
        return True

    async def _run(self, timeline: Timeline) -> None:
        works = [self._minding(activity, partial(activity.run, timeline)) for activity in self._sound]
        # The activities hear of it before anybody else.
        await _together([*works, self._announce(timeline)])

    async def _minding(self, activity: Activity, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except _CalledOff:
            raise
        except Exception as failure:  # noqa: BLE001 (it is raised once the others are called off)
            self._sound.remove(activity)
            self._failures.append(failure)
            raise _CalledOff from None

    async def _announce(self, timeline: Timeline) -> None:
        warmup_ns, measure_ns = timeline.measure_ns - timeline.start_ns, timeline.end_ns - timeline.measure_ns
        self._on_phase("warm up", timeline.start_ns, warmup_ns / 1e9)
        await sleep_until(timeline.measure_ns)
        self._on_phase("measure", timeline.measure_ns, measure_ns / 1e9)
        await timeline.to_end()


def _early(ending: Ending) -> Ending:
    """Return one that ends schedules at once; whose ending this is has not ended anything."""
    early = Ending(cut=ending.cut)
    early.stop.set()
    return early


class _CalledOff(Exception):
    """The others of a company are called off."""


async def _get_ready(activity: Activity) -> None:
    if not await activity.ready():
        raise _CalledOff


async def _together(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Do all at once; when one raises the others are called off, and it is raised once they have cleared up."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        if tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await to_its_end(asyncio.gather(*tasks, return_exceptions=True))


async def _close(activities: Sequence[Activity]) -> None:
    """Close all of them, each to its end, even where this is called off meanwhile; the first failure is raised."""
    closing = asyncio.ensure_future(_all_of(activity.close() for activity in activities))
    await to_its_end(closing)
    closing.result()


async def _all_of(works: Iterable[Awaitable[None]]) -> None:
    """Do all at once, each to its end, whatever becomes of the others; the first failure is raised then."""
    for outcome in await asyncio.gather(*works, return_exceptions=True):
        if outcome is not None:
            raise outcome
