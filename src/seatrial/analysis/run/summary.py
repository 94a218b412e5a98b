"""A record in, everything that the reports show out."""

from __future__ import annotations

import gc
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seatrial.analysis.run.attempts import divided, uneven, without_retries
from seatrial.analysis.run.cases import case_summary
from seatrial.analysis.run.kept import kept_trials
from seatrial.analysis.run.model import CaseSummary, RunSummary, SystemSummary, TrialSummary
from seatrial.analysis.run.said.answers import answers_of, by_system
from seatrial.analysis.run.said.scaling import growth_of
from seatrial.analysis.run.said.sentences import sentence_of, state_of
from seatrial.analysis.run.trials import made_trial
from seatrial.analysis.validity.evidence import evidence_of, measure_window
from seatrial.analysis.validity.judge import judge_trial
from seatrial.record.tables.rows import JournalEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from seatrial.analysis.load.result import LoadResult
    from seatrial.analysis.reasons import Validity
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
    asked = Requirements(reader.plan()["plan"]["repeat"], reader.objectives())
    # Read once: the next time that a live run is read more of its trials may have ended.
    ended = _ended_by_case(reader)
    cases = tuple(_case(reader, case, ended[case.id], asked) for case in reader.cases())
    summary = RunSummary(
        run=reader.run(),
        question=reader.question(),
        plan_text=reader.plan_text(),
        objectives=asked.objectives,
        systems=_systems(cases),
        cases=cases,
        environment=reader.environment(),
        changes=reader.changes(),
        uneven=uneven(_attempts_by_system(cases)),
        # Last: what cannot be read is known once everything has been.
        journal=(*reader.journal(), *_damaged(reader)),
    )
    return replace(summary, answers=answers_of(summary), growth=growth_of(cases))


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
    trial = reader.trial(number)
    if trial is None or trial.state == "running":
        return None
    case = reader.case(trial.case_id)
    if case is None:
        return None
    frames = reader.frames(number)
    evidence = evidence_of(reader, case, trial, frames, measure_window(reader.phases(number), frames))
    return evidence.load, judge_trial(evidence)


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
    """What the plan asks of every case: how many trials of it there were to be, and what must hold."""

    repeats: int
    objectives: tuple[RecordedObjective, ...]


def _case(
    reader: RunReader, case: RecordedCase, ended: Sequence[RecordedTrial], asked: Requirements
) -> CaseSummary:
    # Of each trial only what its case is summed up from is kept: frames are many times as large.
    attempts, parts, known = [], {}, kept_trials(reader, ended)
    for trial in ended:
        made = known.get(trial.trial) or made_trial(reader, case, trial)
        attempts.append(made.summary)
        parts[trial.trial] = made.parts

    def summed(trials: Sequence[TrialSummary], aside: tuple[TrialSummary, ...]) -> CaseSummary:
        of_trials = [parts[trial.trial] for trial in trials]
        return replace(
            case_summary(case, trials, of_trials, asked.objectives, asked.repeats), set_aside=aside
        )

    judged = summed(*divided(attempts, asked.repeats))
    kept, in_vain = without_retries(attempts, asked.repeats)
    if judged.set_aside or judged.verdict.state is not None or not in_vain:
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
