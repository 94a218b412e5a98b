"""One trial of a record, with everything that its case and the reports need of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seatrial.analysis.discovery.curve import curve_of
from seatrial.analysis.load.ours import Parts
from seatrial.analysis.resources import roles_of, trial_resources
from seatrial.analysis.run.model import TrialSummary
from seatrial.analysis.run.series import from_start, trial_series
from seatrial.analysis.validity.evidence import evidence_of, measure_window
from seatrial.analysis.validity.judge import judge_trial, remarks_on
from seatrial.analysis.validity.pod_remarks import held_back

if TYPE_CHECKING:
    from seatrial.analysis.discovery.use import Curve
    from seatrial.analysis.load.decoded import Buckets, Decoded
    from seatrial.generator.frames import Frame
    from seatrial.record.reader import RunReader
    from seatrial.record.tables.rows import RecordedCase, RecordedTrial


@dataclass(frozen=True, slots=True)
class MadeTrial:
    """What is said of a trial, and the histograms of its measure phase, which those of its case are merged from."""

    summary: TrialSummary
    parts: Parts[Buckets]


def made_trial(reader: RunReader, case: RecordedCase, trial: RecordedTrial) -> MadeTrial:
    """Make it from what was recorded."""
    frames, histograms = frames_of(reader, trial.trial)
    phases, roles = reader.phases(trial.trial), roles_of(reader.process_samples(trial.trial))
    window = measure_window(phases, frames)
    evidence = evidence_of(reader, case, trial, frames, window, histograms.merge)
    load = evidence.load
    # Beside changes and their probes no CPU is of the load's requests alone.
    achieved_per_s = None if load is None or evidence.changes else load.rate_per_s.achieved
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
        disturbed=evidence.disturbed,
        kernel=evidence.kernel,
        own_gauge=evidence.own_gauge,
        upstream_gauge=evidence.upstream_gauge,
        facts=evidence.facts,
        cpus=evidence.cpus,
        nodes=evidence.nodes,
        throttled=held_back(evidence),
        changes=evidence.changes,
        discovery=evidence.discovery,
        controllers=evidence.controllers,
        observed=reader.observed(trial.trial),
        resources=trial_resources(roles, frames, phases, window, achieved_per_s),
        phases=from_start(phases, trial.started_s),
        series=replace(
            trial_series(case, trial, phases, frames, roles, histograms.merge),
            discovery=_curve(reader, trial) if case.discovers else None,
        ),
    )
    return MadeTrial(summary, Parts.of(frames, histograms.merge))


def _curve(reader: RunReader, trial: RecordedTrial) -> Curve | None:
    number = trial.trial
    return curve_of(
        reader.steps(number), reader.milestones(number), reader.queue_samples(number), trial.started_s
    )


def frames_of(reader: RunReader, trial: int) -> tuple[tuple[Frame, ...], Decoded]:
    """Return the frames of a trial that can be read, and their histograms."""
    from seatrial.analysis.load.decoded import Decoded

    histograms = Decoded()
    frames = reader.frames(trial, histograms.take)
    try:
        histograms.decode()
    except ValueError:
        # Together it does not show which of them is no histogram. The reader asks the engine about each, and names it.
        frames = reader.frames(trial)
    return frames, histograms
