"""One trial, top to bottom: set up, ramp, warm up, measure, cool down, and everything put back."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from seatrial.errors import ClusterFault, SeatrialError, StorageFault
from seatrial.machine.members import Member
from seatrial.machine.place import Places
from seatrial.machine.processes.changes import ChangeLog
from seatrial.machine.waiting import unless
from seatrial.record.events import (
    COMPLETED,
    CUT_OFF,
    FAILED,
    Event,
    Noted,
    Phase,
    PhaseStarted,
    TrialEnded,
    TrialStarted,
)
from seatrial.record.facts import TrialFacts
from seatrial.record.layout import RunDirectory
from seatrial.record.storage import is_of_disk, storage_fault
from seatrial.run.activities.base import Activity, Setting
from seatrial.run.activities.conduct import conduct
from seatrial.run.activities.registry import activities_of
from seatrial.run.agenda import TrialPlan
from seatrial.run.ending import Ending
from seatrial.run.observed.scraping import Scraper
from seatrial.run.observed.trial import MeasurePhase, observe_trial
from seatrial.run.observer.targets import announce, withdraw
from seatrial.run.others import OtherLoads
from seatrial.run.places.base import Standing, TrialPlace
from seatrial.run.testbed.bed import ORIGIN, Testbed
from seatrial.run.testbed.watch import Watch
from seatrial.seeds import derive
from seatrial.systems.base import Launch
from seatrial.systems.disturbance import OF_CONFIGURATION
from seatrial.topology.expand import Topology

SPARE_CONNECTIONS = 64
"""What a system must take beside the planned connections: status requests and reconnections."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a trial writes: events, changes and files; and who knows of other loads on this machine.

    ``place`` is where it is made, ``views`` what shows it meanwhile in a process of its own.
    """

    record: Callable[[Event], None]
    changes: ChangeLog
    directory: RunDirectory
    others: OtherLoads
    place: Standing
    views: Callable[[], tuple[Member, ...]] = tuple


Stage = tuple[Testbed, TrialPlace]
"""What a trial is made on, and where."""


async def run_trial(plan: TrialPlan, desk: Desk, ending: Ending) -> None:
    """Run one trial and record it. ``ending`` ends it early; a fault of this trial is recorded, not raised.

    Raises
    ------
    StorageFault
        The disk does not take what a trial writes; everything is put back, and no other trial would fare better.
    """
    desk.record(
        TrialStarted(
            plan.order,
            plan.case.id,
            plan.case.system.label,
            plan.repeat,
            plan.order,
            plan.of,
            time.monotonic(),
        )
    )
    # Who came and went since the last trial was beside neither.
    desk.others.look()
    desk.others.forget()
    desk.others.look()
    desk.record(PhaseStarted(plan.order, "set up", time.monotonic()))
    place = desk.place.trial(plan.case, plan.order)
    seed = derive(plan.seed, "origin")
    testbed = Testbed.of(plan.case, place.system(plan.case), place.origin(plan.case, seed))
    ended = None
    try:
        ended = await _attempt(plan, desk, (testbed, place), ending)
    except StorageFault:
        raise
    except OSError as error:
        if not is_of_disk(error):
            raise
        raise storage_fault(f"trial {plan.order} cannot write", error, desk.directory.path) from error
    except SeatrialError as error:
        desk.record(Noted("seatrial", _in_words(error), plan.order))
        ended = TrialEnded(
            plan.order,
            FAILED,
            time.monotonic(),
            reasons=(_reason(error),),
            failure=error.line,
            # What was in force may be why.
            facts=TrialFacts(settings=testbed.settings),
        )
    finally:
        with suppress(OSError):
            withdraw(desk.directory.path)
        try:
            await testbed.put_back()
        except ClusterFault as fault:
            # It stays written down, and is tried again when the run is over: what was measured is not lost for it.
            desk.record(Noted("seatrial", _in_words(fault), plan.order))
        finally:
            # What cannot be put back takes nothing from what was measured before.
            if ended is not None:
                desk.record(ended)


async def _attempt(plan: TrialPlan, desk: Desk, stage: Stage, ending: Ending) -> TrialEnded:
    testbed, place = stage
    # One for each trial: what it has handed out is free again when everything is put back.
    places = place.places

    def launching(label: str, topology: Topology) -> Launch:
        return _launch(plan, desk, places, label, topology)

    ended = None
    setting_up = testbed.set_up(launching, plan.case.phases.cooldown_s, place.asked_from)
    await unless(ending.stop, setting_up)
    if testbed.is_up:
        _announce(plan, desk, testbed)
        ended = await unless(ending.cut, _measure(plan, desk, stage, ending))
    return ended or TrialEnded(plan.order, CUT_OFF, time.monotonic())


def _announce(plan: TrialPlan, desk: Desk, testbed: Testbed) -> None:
    """Have a Prometheus find the proxies; that it cannot costs nobody a trial."""
    try:
        announce(desk.directory.path, plan, testbed.system)
    except OSError as error:
        text = f"no Prometheus finds the proxies of this trial: {error.strerror or error}"
        desk.record(Noted("seatrial", text, plan.order))


def _reason(error: SeatrialError) -> dict[str, str]:
    """Return the reason that a trial failed, with whose fault it was."""
    fault = {"generator": "generator", "system under test": "system"}.get(error.fault, "environment")
    return {
        "code": f"{fault}.failed",
        "text": f"the trial failed: {error.line}",
        "remedy": error.next_step or "remove the cause, run again",
    }


def _in_words(error: SeatrialError) -> str:
    parts = (
        error.what,
        error.cause and f"cause: {error.cause}",
        error.next_step and f"next: {error.next_step}",
    )
    return "; ".join(part for part in parts if part)


def _launch(plan: TrialPlan, desk: Desk, places: Places, label: str, topology: Topology) -> Launch:
    name = f"{plan.order:04d}-{label}"
    directory, logs = desk.directory.configs / name, desk.directory.logs / name
    directory.mkdir(parents=True)
    logs.mkdir(parents=True)
    load = plan.case.load
    return Launch(
        directory=directory,
        log_directory=logs,
        topology=topology,
        max_connections=load.connections + load.active + SPARE_CONNECTIONS,
        place=places.origin if label == ORIGIN else places.proxy,
        label=label,
        changes=desk.changes,
        is_reconfigured=plan.case.objects is not None
        or any(one.do in OF_CONFIGURATION for one in plan.case.disturbances),
    )


async def _measure(plan: TrialPlan, desk: Desk, stage: Stage, ending: Ending) -> TrialEnded:
    testbed, place = stage
    trial_stop = asyncio.Event()
    label, ports = plan.case.system.label, testbed.ports
    watch = Watch(
        plan.order,
        label,
        testbed.system,
        testbed.origin,
        desk.record,
        trial_stop,
        ports,
        place.elsewhere(),
        views=desk.views,
    )
    relay = asyncio.create_task(_relay(ending.stop, trial_stop))
    scraper = Scraper(testbed.system, plan.case)
    try:
        scraper.start()
        await watch.start()
        setting = Setting(
            plan, testbed, desk.record, watch.watch_generators, place.workers(), desk.changes, place.cluster,
            lambda: _announce(plan, desk, testbed),
        )  # fmt: skip
        activities = activities_of(setting)
        measured = MeasurePhase()
        ended_early = await _conduct(plan, desk, watch, activities, measured)
        scraped = await scraper.stop()
        counts, facts = await testbed.counts(sum(activity.completed for activity in activities))
        # Nobody comes after a trial that was ended early.
        await unless(ending.stop, _cool_down(plan, desk, testbed))
        if not ended_early:
            # While the proxies are there still, for scrapes that are to come.
            await unless(ending.stop, observe_trial(plan, desk.directory.path.name, measured, desk.record))
    finally:
        relay.cancel()
        scraper.call_off()
        await watch.end()
    others = desk.others.look()
    facts = dataclasses.replace(
        facts,
        system_failure=watch.failure,
        processes_lost=tuple(watch.lost),
        remarks=(*(() if others is None else (others,)), *watch.remarks(), *scraper.remarks),
        beside=desk.others.seen,
        kernel=watch.kernel_report(),
        looking=watch.cost(),
        nodes_away=watch.nodes_away(),
        runs_beside=watch.runs_beside(),
        cpus=place.places.pinning.asked,
        scraped=scraped,
    )
    is_whole = not ended_early or watch.failure is not None
    return TrialEnded(
        trial=plan.order,
        state=COMPLETED if is_whole else CUT_OFF,
        at_s=time.monotonic(),
        counts=counts,
        facts=facts,
    )


async def _relay(stop: asyncio.Event, trial_stop: asyncio.Event) -> None:
    await stop.wait()
    trial_stop.set()


async def _conduct(
    plan: TrialPlan, desk: Desk, watch: Watch, activities: Sequence[Activity], measured: MeasurePhase
) -> bool:
    def on_phase(phase: Phase, at_ns: int, expected_s: float | None) -> None:
        if phase == "warm up":
            watch.look_now()
        if phase == "measure":
            watch.look_at_edge()
            measured.begins(at_ns, plan.case.phases.measure_s)
        if phase == "cool down":
            watch.load_ended()
            desk.others.look()
        desk.record(PhaseStarted(plan.order, phase, at_ns / 1e9, expected_s))

    phases = plan.case.phases
    # To cut it short the whole trial is called off.
    ending = Ending(watch.stop)
    return await conduct(activities, phases.warmup_s, phases.measure_s, ending, on_phase)


async def _cool_down(plan: TrialPlan, desk: Desk, testbed: Testbed) -> None:
    limit_s = plan.case.phases.cooldown_s
    if not await testbed.cool_down(limit_s):
        desk.record(
            Noted(
                "seatrial", f"connections were left {limit_s:g} s after the load had closed them", plan.order
            )
        )
