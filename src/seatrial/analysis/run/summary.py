"""A record in, everything that the reports show out."""

from __future__ import annotations

import gc
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seatrial.analysis.run.attempts import divided, run_anew, uneven, without_retries
from seatrial.analysis.run.cases import case_summary
from seatrial.analysis.run.environments import changes_in
from seatrial.analysis.run.kept import kept_trials
from seatrial.analysis.run.model import CaseSummary, RunSummary, SystemSummary, TrialSummary
from seatrial.analysis.run.said.answers import answers_of, by_system
from seatrial.analysis.run.said.isolation import isolation_sentences
from seatrial.analysis.run.said.sanity import sanity_sentence
from seatrial.analysis.run.said.scaling import growth_of
from seatrial.analysis.run.said.sentences import sentence_of, state_of
from seatrial.analysis.run.trials import made_trial
from seatrial.analysis.validity.evidence import evidence_of, measure_window
from seatrial.analysis.validity.judge import judge_trial
from seatrial.record.tables.rows import JournalEntry, objectives_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from seatrial.analysis.load.result import LoadResult
    from seatrial.analysis.reasons import Validity
    from seatrial.analysis.run.environments import EnvironmentChange
    from seatrial.record.reader import RunReader
    from seatrial.record.tables.rows import RecordedCase, RecordedObjective, RecordedTrial


def summarise_run(reader: RunReader) -> RunSummary:
    """Return what is to be said of a run, finished, cut off or live; raises ``RecordError``."""
    with _nothing_collected():
        return _summarised(reader)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Keep Python from looking for garbage in circles: a summary has none, and to look through all of it is slow."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _summarised(reader: RunReader) -> RunSummary:
    # The plan says how many trials there were to be, whenever the run was cut off.
    changes = changes_in(reader.environments())
    asked = Requirements(reader.plan()["plan"]["repeat"], reader.objectives(), changes)
    # Read once: the next time that a live run is read more of its trials may have ended.
    ended = _ended_by_case(reader)
    cases = tuple(_case(reader, case, ended[case.id], asked) for case in reader.cases())
    sanity = tuple(_cell(reader, cell, ended[cell.id]) for cell in reader.sanity_cells())
    summary = RunSummary(
        run=reader.run(),
        question=reader.question(),
        plan_text=reader.plan_text(),
        objectives=asked.objectives,
        systems=_systems(cases),
        cases=cases,
        environment=reader.environment(),
        capacities=reader.capacities(),
        isolation=isolation_sentences((*sanity, *cases)),
        changes=reader.changes(),
        environment_changes=changes,
        sanity=sanity,
        sanity_sentences=tuple(sanity_sentence(cell) for cell in sanity),
        uneven=uneven(_attempts_by_system(cases)),
        # Last: what cannot be read is known once everything has been.
        journal=(*reader.journal(), *_damaged(reader)),
    )
    return replace(summary, answers=answers_of(summary), growth=growth_of(cases))


def summarise_sanity(reader: RunReader) -> tuple[CaseSummary, ...]:
    """Return what came of the sanity cells so far; raises ``RecordError``."""
    ended = _ended_by_case(reader)
    return tuple(_cell(reader, cell, ended[cell.id]) for cell in reader.sanity_cells())


def summarise_case(reader: RunReader, case_id: str) -> CaseSummary | None:
    """Return what is to be said of one case, or sanity cell, so far; None where the plan has no such case."""
    case = reader.case(case_id)
    if case is None:
        return None
    ended = _ended_by_case(reader)[case_id]
    if case.is_sanity:
        return _cell(reader, case, ended)
    changes = changes_in(reader.environments())
    return _case(
        reader, case, ended, Requirements(reader.plan()["plan"]["repeat"], reader.objectives(), changes)
    )


def _cell(reader: RunReader, cell: RecordedCase, ended: Sequence[RecordedTrial]) -> CaseSummary:
    """Judge a sanity cell by its last attempt: those before it gave no answer, or what they found was mended."""
    attempts = [made_trial(reader, cell, trial) for trial in ended]
    last, parts = [made.summary for made in attempts[-1:]], [made.parts for made in attempts[-1:]]
    found = case_summary(cell, last, parts, objectives_of(cell.document["objectives"]), 1)
    return replace(found, set_aside=tuple(made.summary for made in attempts[:-1]))


def _damaged(reader: RunReader) -> tuple[JournalEntry, ...]:
    run = reader.run()
    return tuple(
        JournalEntry(
            run.ended_utc or run.started_utc, "seatrial", damage.trial, f"the record is damaged: {damage}"
        )
        for damage in reader.damage
    )


def outcome_of(reader: RunReader, number: int) -> tuple[LoadResult | None, Validity] | None:
    """Return what one trial that has ended gave, and whether it may be believed; None where there is no such trial."""
    ended = ended_trial(reader, number)
    if ended is None:
        return None
    case, trial = ended
    # Kept as soon as it has been judged; to make it again takes ten times as long.
    if (kept := kept_trials(reader, [trial]).get(number)) is not None:
        return kept.summary.load, kept.summary.validity
    frames = reader.frames(number)
    evidence = evidence_of(reader, case, trial, frames, measure_window(reader.phases(number), frames))
    return evidence.load, judge_trial(evidence)


def ended_trial(reader: RunReader, number: int) -> tuple[RecordedCase, RecordedTrial] | None:
    """Return one trial that has ended, with its case; None where there is none, or it cannot be read."""
    trial = reader.trial(number)
    case = None if trial is None else reader.case(trial.case_id)
    if trial is None or case is None or trial.state == "running":
        return None
    return case, trial


def _attempts_by_system(cases: Sequence[CaseSummary]) -> dict[str, list[TrialSummary]]:
    found: dict[str, list[TrialSummary]] = {}
    for case in cases:
        found.setdefault(case.case.system, []).extend(case.attempts)
    return found


def _systems(cases: Sequence[CaseSummary]) -> tuple[SystemSummary, ...]:
    return tuple(
        SystemSummary(label, own[0].case.kind, state_of(own), sentence_of(label, own))
        for label, own in by_system(cases).items()
    )


@dataclass(frozen=True, slots=True)
class Requirements:
    """What is asked of every case: so many trials, what must hold, and one environment for all of its trials."""

    repeats: int
    objectives: tuple[RecordedObjective, ...]
    changes: tuple[EnvironmentChange, ...] = ()


def _case(
    reader: RunReader, case: RecordedCase, ended: Sequence[RecordedTrial], asked: Requirements
) -> CaseSummary:
    # Of each trial only what its case is summed up from is kept: frames are many times as large.
    found, parts, known = [], {}, kept_trials(reader, ended)
    for trial in ended:
        made = known.get(trial.trial) or made_trial(reader, case, trial)
        found.append(made.summary)
        parts[trial.trial] = made.parts
    attempts, anew = run_anew(found)

    def summed(trials: Sequence[TrialSummary], aside: tuple[TrialSummary, ...]) -> CaseSummary:
        of_trials = [parts[trial.trial] for trial in trials]
        summary = case_summary(case, trials, of_trials, asked.objectives, asked.repeats, asked.changes)
        return replace(summary, set_aside=(*anew, *aside))

    judged = summed(*divided(attempts, asked.repeats))
    kept, in_vain = without_retries(attempts, asked.repeats)
    if len(judged.trials) < len(attempts) or judged.verdict.state is not None or not in_vain:
        return judged
    first = summed(kept, in_vain)
    return first if first.verdict.state == "PASS" else judged


def _ended_by_case(reader: RunReader) -> Mapping[str, list[RecordedTrial]]:
    found: defaultdict[str, list[RecordedTrial]] = defaultdict(list)
    for trial in reader.trials():
        # One that is running now has nothing to be judged yet.
        if trial.state != "running":
            found[trial.case_id].append(trial)
    return found
