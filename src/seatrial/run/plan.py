"""A whole plan: preflight, every trial in its order, the record, and what is derived from it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.analysis.run.environments import differences
from seatrial.errors import SeatrialError
from seatrial.machine.members import Member
from seatrial.machine.waiting import unless
from seatrial.plan.cases import Case, compile_cases
from seatrial.plan.model.plan import Plan
from seatrial.plan.read import GivenPlan
from seatrial.plan.sanity import sanity_cells
from seatrial.plan.shown.compiled import compiled_document
from seatrial.preflight.findings import warnings_of
from seatrial.record.events import Event, Noted, RunEnded, RunStarted
from seatrial.record.writer import RunWriter
from seatrial.run.agenda import Agenda, Past, TrialPlan
from seatrial.run.capacity.before import require_capacity
from seatrial.run.ending import Ending
from seatrial.run.judgement import judged_and_kept
from seatrial.run.observed.check import observed_findings
from seatrial.run.others import OtherLoads
from seatrial.run.places.base import RunPlace, Standing
from seatrial.run.places.choice import place_of
from seatrial.run.resume import Resumption, reopened, require_same_environment
from seatrial.run.sanity import SanityCourse
from seatrial.run.trial import Desk, run_trial

if TYPE_CHECKING:
    from seatrial.cluster.connection.kubeconfig import Where


@dataclass(frozen=True, slots=True)
class Audience:
    """Who watches a run: ``listeners`` get its events, ``views`` are processes that show it, by its record."""

    listeners: Sequence[Callable[[Event], None]] = ()
    views: Callable[[], tuple[Member, ...]] = tuple


@dataclass(frozen=True, slots=True)
class PlanRun:
    """Where the run is, whether a person ended it early, and what kept it from its end, if anything did."""

    path: Path
    interrupted: bool
    fault: SeatrialError | None = None


async def run_plan(
    given: GivenPlan,
    runs: Path,
    audience: Audience,
    ending: Ending,
    *,
    share_machine: bool = False,
    where: Where | None = None,
) -> PlanRun:
    """Run a plan. Nothing is started before the plan is understood and its place is found able to run it.

    ``where`` is the cluster of a plan whose place is one; None is that of the kubeconfig.

    What ends the run once there is a record is in the result, so that what was measured until then is shown.

    Raises
    ------
    EnvironmentFault
        This machine cannot run it, a program is missing, the disk does not take a record, or another measurement goes
        on on it and ``share_machine`` does not allow that.
    """
    # Programs are started in folders of their own, where a relative path would mean something else.
    runs = runs.resolve()
    plan = given.plan
    cases = compile_cases(plan)
    async with place_of(plan, where) as place:
        notes, environment = await place.found(cases)
        notes = (*notes, *await _observed_notes(plan, cases))
        compiled = json.dumps(compiled_document(plan, cases, given.scale))
        sanity = SanityCourse(sanity_cells(plan), plan.retry, plan.seed)
        course = _Course(plan, place, cases, sanity, environment, notes)
        with (
            OtherLoads("seatrial run", share=share_machine) as others,
            RunWriter.create(runs, plan.name, given.text, compiled) as writer,
        ):
            return await _run_into(writer, course, audience, ending, others)


async def resume_plan(
    resumption: Resumption,
    audience: Audience,
    ending: Ending,
    *,
    allow_changes: bool = False,
    share_machine: bool = False,
    where: Where | None = None,
) -> PlanRun:
    """Run what is left of a run into its record; raises as ``run_plan`` does.

    Raises
    ------
    EnvironmentFault
        The environment is not that of the trials which are kept, unless ``allow_changes``.
    RecordError
        Another process is writing the record.
    """
    async with place_of(resumption.given.plan, where) as place:
        preflight, environment = await place.found(resumption.cases)
        preflight = (*preflight, *await _observed_notes(resumption.given.plan, resumption.cases))
        changes = resumption.changes(environment)
        if not allow_changes:
            require_same_environment(resumption, changes)
        notes = [f"resumed: {resumption.text}", *(f"not as it was: {change}" for change in changes)]
        course = _Course(
            resumption.given.plan,
            place,
            resumption.cases,
            resumption.sanity(environment),
            environment,
            (*notes, *preflight),
            resumption.history,
            resumption.number,
            resumption.environment if resumption.history else {},
        )
        with (
            OtherLoads("seatrial run --resume", share=share_machine) as others,
            reopened(resumption) as writer,
        ):
            return await _run_into(writer, course, audience, ending, others)


async def _observed_notes(plan: Plan, cases: tuple[Case, ...]) -> tuple[str, ...]:
    """Return what the journal has to say of the plan's Prometheus; raises where it is of no use."""
    findings = await observed_findings(plan, cases)
    return (*(finding.text for finding in findings if finding.severity == "ok"), *warnings_of(findings))


@dataclass(frozen=True, slots=True)
class _Course:
    """What is to come, what it is run on, what is noted first, and what has been; ``number`` is the last trial's.

    ``earlier`` is what the trials that have been were run on.
    """

    plan: Plan
    place: RunPlace
    cases: tuple[Case, ...]
    sanity: SanityCourse
    environment: dict[str, Any]
    notes: Sequence[str]
    history: tuple[Past, ...] = ()
    number: int = 0
    earlier: Mapping[str, Any] = field(default_factory=dict)

    def agenda(self, number: int) -> Agenda:
        """Return the trials that follow where ``number`` is the last one's that there is."""
        return Agenda(self.plan, self.cases, lost=number - len(self.history))


async def _run_into(
    writer: RunWriter,
    course: _Course,
    audience: Audience,
    ending: Ending,
    others: OtherLoads,
) -> PlanRun:
    others.is_in(writer.path)
    for listener in audience.listeners:
        writer.subscribe(listener)
    _end_on_fault(writer, ending)
    writer.environment(course.environment, first_trial=course.number + 1)
    planned = course.agenda(course.number).planned
    writer.append(RunStarted(writer.path.name, course.plan.name, planned))
    for note in (*course.notes, *filter(None, [others.look()])):
        writer.append(Noted("seatrial", note))
    fault = await _run_trials(course, writer, ending, others, audience.views)
    writer.close()
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


async def _run_trials(
    course: _Course,
    writer: RunWriter,
    ending: Ending,
    others: OtherLoads,
    views: Callable[[], tuple[Member, ...]],
) -> SeatrialError | None:
    try:
        goes_on = True
        async with AsyncExitStack() as stack:
            # Pods take their time to come up, and a person may not have it.
            standing = await unless(ending.stop, stack.enter_async_context(course.place.standing(writer)))
            if standing is not None:
                _amend_environment(course, standing, writer)
                desk = Desk(writer.append, writer, writer.directory, others, standing, views)
                goes_on = await _all(course, desk, writer, ending)
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
    writer.append(RunEnded("finished" if goes_on else "stopped"))
    return None


def _amend_environment(course: _Course, standing: Standing, writer: RunWriter) -> None:
    """Record what is known of the environment only since its place stands, and name what of it is not as it was."""
    if not (learnt := standing.learnt()):
        return
    writer.environment({**course.environment, **learnt}, first_trial=course.number + 1)
    before = {name: found for name in learnt if (found := course.earlier.get(name)) is not None}
    for change in differences(before, json.loads(json.dumps(learnt))) if before else ():
        writer.append(Noted("seatrial", f"not as it was: {change}"))


async def _all(course: _Course, desk: Desk, writer: RunWriter, ending: Ending) -> bool:
    """Measure the network where that pays, run the sanity cells, and the trials unless one of those has failed."""
    # A run may be resumed only to come to its end.
    if course.agenda(course.number).next(course.history) is not None:
        first, ends = course.number + 1, desk.place.ends()
        await unless(ending.stop, require_capacity(course.plan, course.cases, ends, writer, first))
    number = None if ending.stop.is_set() else await _sanity(course, desk, writer, ending)
    if number is not None:
        await _all_trials(course, number, desk, writer, ending)
    return number is not None


async def _sanity(course: _Course, desk: Desk, writer: RunWriter, ending: Ending) -> int | None:
    """Run the sanity cells; return the number of the last trial, None where one failed or the run is to end."""
    number = course.number
    after = course.agenda(number).planned - len(course.history)
    while (attempt := course.sanity.next(number + 1, max(0, after))) is not None:
        number = attempt.order
        await _tried(attempt, desk, ending)
        if ending.stop.is_set() or writer.fault is not None:
            return None
        outcome, sentence = course.sanity.take(writer, attempt.case)
        writer.append(Noted("seatrial", sentence, number))
        if outcome not in {"passed", "doubted"}:
            return None
    return number


async def _tried(trial: TrialPlan, desk: Desk, ending: Ending) -> None:
    """Run a trial once its place can be used; nothing where the run is to end first."""
    # A place that is gone is waited for, and a person may not have the time.
    await unless(ending.stop, desk.place.require())
    if not ending.stop.is_set():
        await run_trial(trial, desk, ending)


async def _all_trials(course: _Course, number: int, desk: Desk, writer: RunWriter, ending: Ending) -> None:
    """Run what the agenda says, until it has no more or the run is to end."""
    agenda, history = course.agenda(number), list(course.history)
    of = max(agenda.in_all, number)
    while (trial := agenda.next(history)) is not None:
        if trial.of > of:
            text = f"{trial.of - of} run again in place of trials that cannot be believed"
            writer.append(Noted("seatrial", text))
            of = trial.of
        await _tried(trial, desk, ending)
        if ending.stop.is_set() or writer.fault is not None:
            return
        history.append(Past(trial.case.id, judged_and_kept(writer, trial.order)))
