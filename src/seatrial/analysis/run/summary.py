"""A record in, everything that the reports show out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seatrial.analysis.load.ours import Parts
from seatrial.analysis.resources import roles_of, trial_resources
from seatrial.analysis.run.attempts import divided, uneven, without_retries
from seatrial.analysis.run.cases import case_summary
from seatrial.analysis.run.model import CaseSummary, RunSummary, SystemSummary, TrialSummary
from seatrial.analysis.run.said.answers import answers_of, by_system
from seatrial.analysis.run.said.scaling import growth_of
from seatrial.analysis.run.said.sentences import sentence_of, state_of
from seatrial.analysis.run.series import from_start, trial_series
from seatrial.analysis.validity.evidence import evidence_of, measure_window
from seatrial.analysis.validity.judge import judge_trial, remarks_on
from seatrial.record.tables.rows import JournalEntry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seatrial.analysis.load.decoded import Buckets, Decoded
    from seatrial.analysis.load.result import LoadResult
    from seatrial.analysis.reasons import Validity
    from seatrial.generator.frames import Frame
    from seatrial.record.reader import RunReader
    from seatrial.record.tables.rows import RecordedCase, RecordedObjective, RecordedTrial


def summarise_run(reader: RunReader) -> RunSummary:
    """Return what is to be said of a run, finished, cut off or live; raises ``RecordError``."""
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
        capacities=reader.capacities(),
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
    attempts, parts = [], {}
    for trial in ended:
        attempt, parts[trial.trial] = _trial(reader, case, trial)
        attempts.append(attempt)

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


def _trial(
    reader: RunReader, case: RecordedCase, trial: RecordedTrial
) -> tuple[TrialSummary, Parts[Buckets]]:
    frames, histograms = _frames(reader, trial.trial)
    phases, roles = reader.phases(trial.trial), roles_of(reader.process_samples(trial.trial))
    window = measure_window(phases, frames)
    evidence = evidence_of(reader, case, trial, frames, window, histograms.merge)
    load = evidence.load
    achieved_per_s = None if load is None else load.rate_per_s.achieved
    summary = TrialSummary(
        trial=trial.trial,
        repeat=trial.repeat,
        order=trial.order,
        state=trial.state,
        failure=trial.failure,
        started_utc=trial.started_utc,
        validity=judge_trial(evidence),
        remarks=remarks_on(evidence),
        load=load,
        counts=evidence.counts,
        members=evidence.members,
        facts=evidence.facts,
        resources=trial_resources(roles, frames, phases, window, achieved_per_s),
        phases=from_start(phases, trial.started_s),
        series=trial_series(case, trial, phases, frames, roles, histograms.merge),
    )
    return summary, Parts.of(frames, histograms.merge)


def _frames(reader: RunReader, trial: int) -> tuple[tuple[Frame, ...], Decoded]:
    """Return the frames of a trial, and their histograms."""
    from seatrial.analysis.load.decoded import Decoded

    histograms = Decoded()
    frames = reader.frames(trial, histograms.take)
    try:
        histograms.decode()
    except ValueError:
        # Together it does not show which of them is no histogram. The reader asks the engine about each, and names it.
        frames = reader.frames(trial)
    return frames, histograms
