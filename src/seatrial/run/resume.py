"""Going on with a run that was cut off: what of it is kept, and whether what follows may stand beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from seatrial.analysis.reasons import Validity
from seatrial.analysis.run.environments import Difference, differences, leaves
from seatrial.analysis.run.sanity import Outcome
from seatrial.analysis.run.summary import summarise_sanity
from seatrial.errors import EnvironmentFault, PlanError, RecordError
from seatrial.plan.cases import Case, compile_cases
from seatrial.plan.read import GivenPlan, given_again, read_plan_text
from seatrial.plan.sanity import sanity_cells
from seatrial.plan.scale import parse_scale
from seatrial.plan.shown.compiled import compiled_document
from seatrial.record.changes import UNDOERS
from seatrial.record.environment import LOAD_NODE
from seatrial.record.events import CUT_OFF
from seatrial.record.layout import last_number
from seatrial.record.lock import held_by_another
from seatrial.record.reader import RunReader
from seatrial.record.tables.rows import Change, RecordedTrial
from seatrial.record.writer import RunWriter
from seatrial.run.agenda import Agenda, Past, TrialPlan
from seatrial.run.judgement import validity_of
from seatrial.run.sanity import SanityCourse, seen_in

NAMED_LIMIT = 5
ALLOW = "--allow-changed-environment"


@dataclass(frozen=True, slots=True)
class Resumption:
    """A run that there is: its plan, and what of it has been made.

    ``history`` are the trials that are kept, ``cut`` those that are still to be run anew; ``number`` is the highest
    that any trial has, ``begun`` how many the record knows. ``environment`` is what they were run on; empty where
    nothing is known.
    """

    directory: Path
    given: GivenPlan
    cases: tuple[Case, ...]
    history: tuple[Past, ...]
    cut: tuple[RecordedTrial, ...]
    number: int
    begun: int
    environment: Mapping[str, Any]
    has_ended: bool
    sanity_seen: Mapping[str, Sequence[Outcome]] = field(default_factory=dict)

    @property
    def agenda(self) -> Agenda:
        """The rest of it, and what it follows from."""
        return Agenda(self.given.plan, self.cases, lost=self.number - len(self.history))

    def sanity(self, environment: Mapping[str, Any] | None = None) -> SanityCourse:
        """Return the sanity cells, and what came of them where the environment is as it was, as it is if none is given.

        Another environment has to show that it is in order, too.
        """
        plan = self.given.plan
        course = SanityCourse(sanity_cells(plan), plan.retry, plan.seed)
        if environment is None or not self._differing(environment):
            course.seen.update({cell: list(outcomes) for cell, outcomes in self.sanity_seen.items()})
        return course

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to run, and it was ended in order."""
        return self.has_ended and self.agenda.next(self.history) is None

    @property
    def text(self) -> str:
        """What is kept, and what is run anew, as a sentence without a full stop."""
        kept = f"{len(self.history)} of {self.agenda.planned} planned trials are there"
        if len(self.history) > self.agenda.planned:
            kept = f"{len(self.history)} trials are there, {self.agenda.planned} were planned"
        anew = "; ".join(
            f"trial {trial.trial} ({trial.case_id}) was cut off and is run anew" for trial in self.cut
        )
        return f"{kept}; {anew}" if anew else kept

    def rest(self, environment: Mapping[str, Any] | None = None) -> Iterator[TrialPlan]:
        """Yield the trials that are left as far as it is known now: those that follow if all can be believed."""
        number = self.number + len(self.sanity(environment).left)
        agenda = Agenda(self.given.plan, self.cases, lost=number - len(self.history))
        history = list(self.history)
        while (trial := agenda.next(history)) is not None:
            yield trial
            history.append(Past(trial.case.id, Validity()))

    def changes(self, environment: Mapping[str, Any]) -> tuple[Difference, ...]:
        """Return in what this environment is not that of the trials which are kept; of none nothing can differ."""
        return self._differing(environment) if self.history else ()

    def _differing(self, environment: Mapping[str, Any]) -> tuple[Difference, ...]:
        # What is known once a place stands is not known yet.
        before = {name: found for name, found in self.environment.items() if name != LOAD_NODE}
        # As it is read back from a record.
        return differences(before, json.loads(json.dumps(environment)))


def resumption_of(directory: Path, plan: Path | None = None, scale: str | None = None) -> Resumption:
    """Return what there is of a run, which ``plan`` and ``scale``, where they are given, have to be those of.

    Raises
    ------
    RecordError
        This is no run, its record is damaged, or another process is writing it.
    PlanError
        The plan or the scale is not that of the run.
    """
    with RunReader.open(directory) as reader:
        if reader.is_live():
            raise held_by_another(directory)
        compiled = reader.plan()
        part = Fraction(compiled.get("scale", "1"))
        _require_scale(directory, scale, part)
        given = given_again(
            reader.plan_text(), str(directory / "plan.yaml"), part, compiled["plan"].get("place")
        )
        cases = compile_cases(given.plan)
        _require_same(compiled, given, cases, directory, plan)
        made = reader.trials()
        _require_whole(reader, directory, cases)
        sane = summarise_sanity(reader)
        cells = {cell.case.id for cell in sane}
        kept = [trial for trial in made if trial.state != CUT_OFF and trial.case_id not in cells]
        found = Resumption(
            directory=directory,
            given=given,
            cases=cases,
            history=tuple(Past(trial.case_id, validity_of(reader, trial.trial)) for trial in kept),
            cut=tuple(trial for trial in made if trial.state == CUT_OFF and not _is_run_anew(trial, made)),
            number=max(last_number(reader.directory), *(trial.trial for trial in made), 0),
            begun=len(made),
            environment=reader.environment(),
            has_ended=reader.run().state == "finished",
            sanity_seen=seen_in(sane),
        )
    if not found.agenda.is_of(found.history):
        raise _not_ours(directory, "its trials are not in the order that its plan gives them")
    return found


def require_same_environment(resumption: Resumption, changes: Sequence[Difference]) -> None:
    """Raise ``EnvironmentFault`` that names what differs, if anything does."""
    if not changes:
        return
    raise EnvironmentFault(
        f"this is not the environment that the trials of {resumption.directory} were run in:"
        f" {'; '.join(map(str, changes))}",
        cause="figures of different environments are not of one system",
        next_step=f"go on where it is as it was, run the plan anew, or give {ALLOW}: what differs is named in every"
        " output then, and a case with trials of both has no verdict",
    )


def reopened(resumption: Resumption) -> RunWriter:
    """Take the record for ourselves, and end what a process that was killed has left running.

    Raises ``RecordError`` where another process has it, ``StorageFault`` where nothing can be written there,
    ``EnvironmentFault`` where something is left that cannot be put back.
    """
    writer = RunWriter.reopen(resumption.directory, resumption.begun)
    try:
        _put_back(writer)
    except BaseException:
        writer.close()
        raise
    return writer


def _put_back(writer: RunWriter) -> None:
    with RunReader.open(writer.path) as reader:
        changes = [change for change in reader.changes() if change.undone_utc is None]
    # The last first: what was changed twice is to be as it was at first, and an object goes before what it needs.
    for change in reversed(changes):
        if not _is_put_back(change, writer.path):
            raise EnvironmentFault(
                f"what this run had changed cannot be put back: {change.kind} {dict(change.detail)}",
                next_step=f"put it back yourself (see seatrial clean --runs {writer.path}), then resume the run",
            )
        writer.undone(change.id)


def _is_put_back(change: Change, run: Path) -> bool:
    undo = UNDOERS.get(change.kind)
    try:
        return undo is not None and undo(change.detail, run).is_done
    except (KeyError, TypeError, ValueError):
        # A row that names nothing: whoever looks at the machine knows more.
        return False


def _is_run_anew(cut: RecordedTrial, made: Sequence[RecordedTrial]) -> bool:
    return any(
        (later.case_id, later.repeat) == (cut.case_id, cut.repeat)
        for later in made
        if later.order > cut.order
    )


def _require_scale(directory: Path, words: str | None, part: Fraction) -> None:
    if words is not None and parse_scale(words) != part:
        raise PlanError(
            f"--scale {words} is not that of {directory}, which is at {part} of its plan's size",
            next_step="leave --scale out: a run is resumed at its own",
        )


def _require_same(
    compiled: Mapping[str, Any],
    given: GivenPlan,
    cases: tuple[Case, ...],
    directory: Path,
    plan: Path | None,
) -> None:
    meant = json.loads(json.dumps(compiled_document(given.plan, cases, given.scale)))
    if differing := _differing(compiled, meant):
        raise _not_ours(directory, f"this version of Seatrial reads its plan in another way: {differing}")
    for file in (directory / "plan.yaml", *(() if plan is None else (plan,))):
        if file != plan and not file.exists():
            continue
        other = given_again(read_plan_text(file), str(file), given.scale, given.plan.place).plan
        document = json.loads(json.dumps(compiled_document(other, compile_cases(other), given.scale)))
        if differing := _differing(compiled, document):
            raise PlanError(
                f"{file} is not the plan of {directory}: {differing}",
                cause="trials of different plans are not of one run",
                next_step=f"leave the plan out to go on with that of the run, or run {file} anew",
            )


def _differing(recorded: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Return in words in what two compiled plans differ, "" where they mean the same trials in the same order."""
    earlier, later = (_values(document["plan"]) for document in (recorded, other))
    found = [
        f"{' '.join(way)}: {earlier.get(way, 'none')} in the run, {later.get(way, 'none')} here"
        for way in dict.fromkeys((*earlier, *later))
        if earlier.get(way) != later.get(way)
    ]
    if not found and recorded.get("trials") != other["trials"]:
        found = ["the order of its trials"]
    more = f"; and {len(found) - NAMED_LIMIT} more" if len(found) > NAMED_LIMIT else ""
    return "; ".join(found[:NAMED_LIMIT]) + more


def _values(plan: Mapping[str, Any]) -> dict[tuple[str, ...], object]:
    return dict(leaves(plan))


def _require_whole(reader: RunReader, directory: Path, cases: Sequence[Case]) -> None:
    if [case.id for case in reader.cases()] != [case.id for case in cases]:
        raise _not_ours(
            directory, "its record does not have all cases of its plan: it was cut off as it began"
        )
    # A trial that cannot be read of itself is INVALID; without the trials nobody knows what is left to run.
    damaged = [damage for damage in reader.damage if damage.table == "trials"]
    if damaged:
        raise _not_ours(directory, f"its record is damaged: {'; '.join(map(str, damaged))}")


def _not_ours(directory: Path, cause: str) -> RecordError:
    return RecordError(
        f"{directory} cannot be gone on with",
        cause=cause,
        next_step=f"run its plan anew: seatrial run {directory / 'plan.yaml'}; what there is: seatrial report"
        f" {directory}",
    )
