"""A whole plan: preflight, every trial in its order, the record, and what is derived from it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.analysis.reasons import Reason, Validity
from seatrial.analysis.run.summary import outcome_of
from seatrial.errors import SeatrialError
from seatrial.machine.facts import probe_machine
from seatrial.plan.cases import Case, compile_cases
from seatrial.plan.read import GivenPlan
from seatrial.plan.shown.compiled import compiled_document
from seatrial.preflight.checks import check_cases
from seatrial.preflight.findings import Finding, require
from seatrial.preflight.tuning.survey import Setting, settings_of_cases, shortage_text
from seatrial.record.environment import describe
from seatrial.record.events import Event, Noted, RunEnded, RunStarted
from seatrial.record.reader import RunReader
from seatrial.record.writer import RunWriter
from seatrial.run.agenda import Agenda, Past
from seatrial.run.ending import Ending
from seatrial.run.others import OtherLoads
from seatrial.run.programs import programs_of
from seatrial.run.trial import Desk, run_trial


@dataclass(frozen=True, slots=True)
class PlanRun:
    """Where the run is, whether a person ended it early, and what kept it from its end, if anything did."""

    path: Path
    interrupted: bool
    fault: SeatrialError | None = None


async def run_plan(
    given: GivenPlan,
    runs: Path,
    listeners: Sequence[Callable[[Event], None]],
    ending: Ending,
    *,
    share_machine: bool = False,
) -> PlanRun:
    """Run a plan. Nothing is started before the plan is understood and the machine is found able to run it.

    What ends the run once there is a record is in the result, so that what was measured until then is shown.

    Raises
    ------
    EnvironmentFault
        This machine cannot run it, a program is missing, the disk does not take a record, or another measurement goes
        on on it and ``share_machine`` does not allow that.
    """
    cases = compile_cases(given.plan)
    machine = probe_machine()
    findings = check_cases(cases, machine)
    require(findings)
    notes = (*_preflight_notes(findings), *_shortage_notes(settings_of_cases(cases, machine)))
    with OtherLoads("seatrial run", share=share_machine) as others:
        return await _run_recorded(_Start(given, cases, notes, runs), listeners, ending, others)


@dataclass(frozen=True, slots=True)
class _Start:
    """What is known before anything is started."""

    given: GivenPlan
    cases: tuple[Case, ...]
    notes: Sequence[str]
    runs: Path


async def _run_recorded(
    start: _Start, listeners: Sequence[Callable[[Event], None]], ending: Ending, others: OtherLoads
) -> PlanRun:
    plan, cases, programs = start.given.plan, start.cases, programs_of(start.cases)
    compiled = json.dumps(compiled_document(plan, cases))
    # Programs are started in folders of their own, where a relative path would mean something else.
    with RunWriter.create(start.runs.resolve(), plan.name, start.given.text, compiled) as writer:
        others.is_in(writer.path)
        for listener in listeners:
            writer.subscribe(listener)
        _end_on_fault(writer, ending)
        writer.environment(describe(programs))
        agenda = Agenda(plan, cases)
        writer.append(RunStarted(writer.path.name, plan.name, agenda.planned))
        for note in (*start.notes, *filter(None, [others.look()])):
            writer.append(Noted("seatrial", note))
        fault = await _run_trials(agenda, writer, ending, others)
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


def _preflight_notes(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        if finding.severity == "warn":
            yield f"preflight, {finding.code}: {finding.text}; {finding.remedy}"


def _shortage_notes(settings: Sequence[Setting]) -> Iterator[str]:
    if shortage := shortage_text(settings):
        yield f"{shortage}; `seatrial check PLAN --tune` says why"


async def _run_trials(
    agenda: Agenda, writer: RunWriter, ending: Ending, others: OtherLoads
) -> SeatrialError | None:
    try:
        await _all_trials(agenda, writer, ending, others)
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


async def _all_trials(agenda: Agenda, writer: RunWriter, ending: Ending, others: OtherLoads) -> None:
    """Run what the agenda says, until it has no more or the run is to end."""
    desk = Desk(writer.append, writer, writer.directory, others)
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
