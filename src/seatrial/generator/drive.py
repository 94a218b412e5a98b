"""One load from its first connection to its last answer, whoever the workers are."""

from __future__ import annotations

import asyncio
import time

from seatrial.generator.account import Driven
from seatrial.generator.crew import Crew
from seatrial.generator.messages import Done
from seatrial.generator.ramp import Ramp, RampWatch
from seatrial.machine.waiting import unless
from seatrial.workload.spec import LoadSpec

START_DELAY_WORKER_NS = 1_000_000
"""The schedule begins so long for each worker, beside what its channel needs, after it is announced: each has heard of
it by then."""

STABLE_SLACK_S = 5.0
"""Connections that do not stay open for the time asked for get twice that and this; then the load goes on without."""

FINISH_SLACK_S = 15.0
"""How much longer than its longest possible drain a worker may take to say its last word."""


class Drive:
    """Drives workers that have started: ``ramp``, ``go`` if that was complete, and ``finish`` in any case."""

    def __init__(self, load: LoadSpec, crew: Crew) -> None:
        self._load = load
        self._crew = crew
        self._ramp: Ramp | None = None
        self._ramp_complete = False
        self._was_stable = not load.stable_for_s
        self._start_ns: int | None = None

    @property
    def ramp_s(self) -> float:
        """How long the ramp takes at the rate that was asked for."""
        return (self._load.held + self._load.active) / self._load.connect_rate_per_s

    @property
    def notice_ns(self) -> int:
        """How long before the start of the schedule ``go`` has to be said."""
        return self._crew.lead_ns + self._crew.size * START_DELAY_WORKER_NS

    async def ramp(self) -> bool:
        """Wait until every connection is established and has held still; return whether all are established.

        It may be called off.
        """
        watch = RampWatch(self._load, self._crew.size, time.monotonic())
        try:
            self._ramp_complete = await self._crew.ready(watch)
        finally:
            self._ramp = watch.result(time.monotonic())
        if not self._ramp_complete:
            # Beside fewer connections than were asked for another load would be measured.
            self._crew.stop()
        elif not self._was_stable:
            limit_s = 2 * self._load.stable_for_s + STABLE_SLACK_S
            self._was_stable = await self._crew.stable(self._load.stable_for_s, limit_s)
        return self._ramp_complete

    def go(self, start_ns: int) -> None:
        """Start the schedule at this moment (CLOCK_MONOTONIC)."""
        self._start_ns = start_ns
        self._crew.go(start_ns)

    async def finish(self, stop: asyncio.Event, cut: asyncio.Event) -> Driven:
        """Wait until the schedule is over and drained, and return how the load went.

        ``stop`` ends the schedule early; what was measured until then is reported. ``cut`` ends the wait for the
        answers that were under way then, too: they count as in flight.
        """
        if self._ramp_complete and self._start_ns is None and not stop.is_set():
            # It was ready, and something else was not.
            self._crew.stop()
        dones = await self._finished(stop, cut)
        return Driven(
            dones=dones,
            start_ns=self._start_ns,
            ramp_complete=self._ramp_complete,
            was_stable=self._was_stable,
            interrupted=stop.is_set(),
            lost=tuple(self._crew.lost),
            ramp=self._ramp,
            late=self._crew.late,
            clocks=self._crew.clocks,
        )

    async def _finished(self, stop: asyncio.Event, cut: asyncio.Event) -> tuple[Done, ...]:
        limit_s = self._load.drain_s + FINISH_SLACK_S
        # The workers end their schedules, and then their drains, by themselves. A first word to stop ends the
        # schedule, a second the drain.
        for event in (stop, cut):
            dones = await unless(event, self._crew.finished(limit_s))
            if dones is not None:
                return dones
            self._crew.stop()
        return await self._crew.finished(FINISH_SLACK_S)
