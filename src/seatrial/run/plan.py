"""A whole plan: preflight, every trial in its order, the record, and what is derived from it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.analysis.reasons import Reason, Validity
from seatrial.analysis.run.summary import outcome_of
from seatrial.errors import SeatrialError
from seatrial.generator.unless import unless
from seatrial.machine.facts import probe_machine
from seatrial.plan.cases import compile_cases
from seatrial.plan.read import GivenPlan
from seatrial.plan.shown.compiled import compiled_document
from seatrial.preflight.checks import check_cases
from seatrial.preflight.findings import Finding, require
from seatrial.record.environment import describe
from seatrial.record.events import Event, Noted, RunEnded, RunStarted
from seatrial.record.reader import RunReader
from seatrial.record.writer import RunWriter
from seatrial.run.agenda import Agenda, Past
from seatrial.run.capacity.before import require_capacity
from seatrial.run.ending import Ending
from seatrial.run.others import OtherLoads
from seatrial.run.places import standing
from seatrial.run.programs import programs_of
from seatrial.run.trial import Desk, run_trial


@dataclass(frozen=True, slots=True)
class PlanRun:
    """Where the run is, whether a person ended it early, and what kept it from its end, if anything did."""

    path: Path
    interrupted: bool
    fault: SeatrialError | None = None


async def run_plan(
    given: GivenPlan, runs: Path, listeners: Sequence[Callable[[Event], None]], ending: Ending
) -> PlanRun:
    """Run a plan. Nothing is started before the plan is understood and the machine is found able to run it.

    What ends the run once there is a record is in the result, so that what was measured until then is shown.

    Raises
    ------
    EnvironmentFault
        This machine cannot run it, a program is missing, or the disk does not take a record.
    """
    # Programs are started in folders of their own, where a relative path would mean something else.
    runs = runs.resolve()
    plan = given.plan
    cases = compile_cases(plan)
    findings = check_cases(cases, probe_machine())
    require(findings)
    programs = programs_of(cases)
    compiled = json.dumps(compiled_document(plan, cases))
    with RunWriter.create(runs, plan.name, given.text, compiled) as writer:
        for listener in listeners:
            writer.subscribe(listener)
        _end_on_fault(writer, ending)
        writer.environment(describe(programs))
        agenda = Agenda(plan, cases)
        writer.append(RunStarted(writer.path.name, plan.name, agenda.planned))
        _note_preflight(writer, findings)
        fault = await _run_trials(agenda, writer, ending)
    fault = fault or writer.fault
    return PlanRun(writer.path, fault is None and ending.stop.is_set(), fault)


def _end_on_fault(writer: RunWriter, ending: Ending) -> None:
    """Have the trial end at once where nothing can be recorded any more: no more load for nothing."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        ending.stop.set()
        ending.cut.set()

    # The record may notice it in its own thread, even when the loop is over.
    writer.on_fault(lambda: None if loop.is_closed() else loop.call_soon_threadsafe(end))


def _note_preflight(writer: RunWriter, findings: Sequence[Finding]) -> None:
    for finding in findings:
        if finding.severity == "warn":
            writer.append(Noted("seatrial", f"preflight, {finding.code}: {finding.text}; {finding.remedy}"))


async def _run_trials(agenda: Agenda, writer: RunWriter, ending: Ending) -> SeatrialError | None:
    try:
        with OtherLoads() as others:
            async with standing(agenda.plan.place, writer) as places:
                desk = Desk(writer.append, writer, writer.directory, others, places)
                await unless(ending.stop, require_capacity(agenda.plan, agenda.cases, places(), writer))
                await _all_trials(agenda, desk, writer, ending)
    except BaseException as error:
        writer.append(RunEnded("failed"))
        if isinstance(error, SeatrialError):
            return error
        raise
    if writer.fault is not None:
        return writer.fault
    if ending.stop.is_set():
        writer.append(RunEnded("interrupted"))
        return None
    writer.append(RunEnded("finished"))
    return None


async def _all_trials(agenda: Agenda, desk: Desk, writer: RunWriter, ending: Ending) -> None:
    """Run what the agenda says, until it has no more or the run is to end."""
    history: list[Past] = []
    of = agenda.planned
    while (trial := agenda.next(history)) is not None:
        if trial.of > of:
            text = f"{trial.of - of} run again in place of trials that cannot be believed"
            writer.append(Noted("seatrial", text))
            of = trial.of
        await run_trial(trial, desk, ending)
        if ending.stop.is_set() or writer.fault is not None:
            return
        history.append(Past(trial.case.id, _validity(writer, trial.order)))


def _validity(writer: RunWriter, trial: int) -> Validity:
    with RunReader.open(writer.path) as reader:
        outcome = outcome_of(reader, trial)
    return _UNREADABLE if outcome is None else outcome[1]


_UNREADABLE = Validity(
    (Reason("environment.record", "the trial cannot be read back", "keep records on a disk that works"),)
)
