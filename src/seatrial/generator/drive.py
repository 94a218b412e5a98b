"""One load from its first connection to its last answer, whoever the workers are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Literal

from seatrial.generator.account import Driven
from seatrial.generator.crew import Crew
from seatrial.generator.messages import Done
from seatrial.generator.ramp import RampWatch
from seatrial.generator.unless import unless
from seatrial.workload.spec import LoadSpec

PhaseLabel = Literal["ramp", "warm up", "measure", "cool down"]

START_DELAY_NS = 10_000_000
START_DELAY_WORKER_NS = 1_000_000
"""The schedule begins so long, and so long for each worker, after it is announced: each has heard of it by then."""

STABLE_SLACK_S = 5.0
"""Connections that do not stay open for the time asked for get twice that and this; then the load goes on without."""

FINISH_SLACK_S = 15.0
"""How much longer than its longest possible drain a worker may take to say its last word."""


async def drive(
    load: LoadSpec,
    crew: Crew,
    stop: asyncio.Event,
    on_phase: Callable[[PhaseLabel, int, float | None], None],
    cut: asyncio.Event,
) -> Driven:
    """Ramp, hold still, warm up, measure and drain with workers that have started.

    ``on_phase`` hears of each phase as it begins: its name, when (ns), and how long it should take (s). ``stop``
    ends the load early; what was measured until then is reported. ``cut`` ends the wait for the answers that were
    under way then, too: they count as in flight.
    """
    on_phase("ramp", time.monotonic_ns(), (load.held + load.active) / load.connect_rate_per_s)
    watch = RampWatch(load, crew.size, time.monotonic())
    ramp_complete = await unless(stop, crew.ready(watch)) or False
    ramp = watch.result(time.monotonic())
    was_stable = not load.stable_for_s
    if ramp_complete and not was_stable:
        limit_s = 2 * load.stable_for_s + load.interval_s + STABLE_SLACK_S
        was_stable = bool(await unless(stop, crew.stable(load.stable_for_s, limit_s)))
    start_ns = None
    if ramp_complete and not stop.is_set():
        start_ns = await _run_schedule(load, crew, stop, on_phase)
    elif not stop.is_set():
        # Beside fewer connections than were asked for another load would be measured.
        crew.stop()
    on_phase("cool down", time.monotonic_ns(), load.drain_s)
    dones = await _finished(load, crew, stop, cut)
    lost = tuple(crew.lost)
    return Driven(dones, start_ns, ramp_complete, was_stable, stop.is_set(), lost, ramp)


async def _run_schedule(
    load: LoadSpec,
    crew: Crew,
    stop: asyncio.Event,
    on_phase: Callable[[PhaseLabel, int, float | None], None],
) -> int:
    start_ns = time.monotonic_ns() + START_DELAY_NS + crew.size * START_DELAY_WORKER_NS
    measure_ns = start_ns + round(load.warmup_s * 1e9)
    crew.go(start_ns)
    on_phase("warm up", start_ns, load.warmup_s)
    await _sleep_until(measure_ns, stop)
    if not stop.is_set():
        on_phase("measure", measure_ns, load.measure_s)
        await _sleep_until(measure_ns + round(load.measure_s * 1e9), stop)
    return start_ns


async def _finished(load: LoadSpec, crew: Crew, stop: asyncio.Event, cut: asyncio.Event) -> tuple[Done, ...]:
    limit_s = load.drain_s + FINISH_SLACK_S
    # The workers end their schedules, and then their drains, by themselves. A first word to stop ends the schedule, a
    # second the drain.
    for event in (stop, cut):
        dones = await unless(event, crew.finished(limit_s))
        if dones is not None:
            return dones
        crew.stop()
    return await crew.finished(FINISH_SLACK_S)


async def _sleep_until(deadline_ns: int, stop: asyncio.Event) -> None:
    await unless(stop, asyncio.sleep(max(0.0, (deadline_ns - time.monotonic_ns()) / 1e9)))
