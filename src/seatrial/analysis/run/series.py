"""A trial over time, for the charts: frames of all workers put into common steps, roles beside them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from seatrial.analysis.load.window import NANOSECONDS
from seatrial.analysis.resources import CpuSpan, Role, RoleCurve
from seatrial.analysis.run.model import SeriesPoint, TrialSeries
from seatrial.analysis.run.steps import POINTS_LIMIT, Step, steps_of
from seatrial.workload.profile import asked_per_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.analysis.load.histograms import Merge
    from seatrial.generator.frames import Frame
    from seatrial.record.tables.rows import RecordedCase, RecordedPhase, RecordedTrial


def trial_series(
    case: RecordedCase,
    trial: RecordedTrial,
    phases: Sequence[RecordedPhase],
    frames: Sequence[Frame],
    roles: Sequence[Role],
    merge: Merge,
) -> TrialSeries:
    """Return the curves of one trial, times counting from its start, at most about 2,000 points each."""
    curves = tuple(curve_from_start(_thinned(role.curve), trial.started_s) for role in roles)
    steps = steps_of(frames, phases)
    return TrialSeries(points_of(case, trial, phases, steps, merge), curves)


def points_of(
    case: RecordedCase,
    trial: RecordedTrial,
    phases: Sequence[RecordedPhase],
    steps: Sequence[Step],
    merge: Merge,
) -> tuple[SeriesPoint, ...]:
    """Return a point for each step of a trial; times count from its start."""
    measure_ns = next((round(phase.start_s * NANOSECONDS) for phase in phases if phase.name == "measure"), 0)
    return tuple(
        _point(step, trial.started_s, merge, _requested_per_s(case, step, measure_ns)) for step in steps
    )


def from_start(phases: Sequence[RecordedPhase], started_s: float) -> tuple[RecordedPhase, ...]:
    """Return the phases with times that count from the start of the trial."""
    return tuple(
        replace(
            phase,
            start_s=phase.start_s - started_s,
            end_s=None if phase.end_s is None else phase.end_s - started_s,
        )
        for phase in phases
    )


def _point(step: Step, started_s: float, merge: Merge, requested_per_s: float | None) -> SeriesPoint:
    latency = merge(part.latency for frame in step.frames for part in frame.parts)
    last = {frame.worker: frame for frame in step.frames}
    return SeriesPoint(
        start_s=step.start_ns / NANOSECONDS - started_s,
        end_s=step.end_ns / NANOSECONDS - started_s,
        phase=step.phase,
        requested_per_s=requested_per_s,
        sent_per_s=step.per_s(step.sent),
        completed_per_s=step.per_s(step.completed),
        latency_us_p50=latency.quantile_us(0.5) if latency.count else None,
        latency_us_p99=latency.quantile_us(0.99) if latency.count else None,
        latency_us_max=latency.max_us if latency.count else None,
        errors=sum(sum(frame.errors.values()) for frame in step.frames),
        held=sum(frame.held for frame in last.values()),
        active=sum(frame.active for frame in last.values()),
    )


def _requested_per_s(case: RecordedCase, step: Step, measure_ns: int) -> float | None:
    start_s, end_s = ((at_ns - measure_ns) / NANOSECONDS for at_ns in (step.start_ns, step.end_ns))
    return asked_per_s(case.profile, step.phase, start_s, end_s)


def _thinned(curve: RoleCurve) -> RoleCurve:
    every = -(-len(curve.at_s) // POINTS_LIMIT) or 1
    if every == 1:
        return curve
    groups = [curve.cpu[at : at + every] for at in range(0, len(curve.cpu), every)]
    return RoleCurve(
        curve.role,
        curve.at_s[::every],
        curve.memory_bytes[::every],
        tuple(_joined(group) for group in groups),
        curve.memory_measure,
    )


def _joined(spans: Sequence[CpuSpan]) -> CpuSpan:
    used_s = sum(span.cores * (span.end_s - span.start_s) for span in spans)
    start_s, end_s = spans[0].start_s, spans[-1].end_s
    return CpuSpan(start_s, end_s, used_s / (end_s - start_s))


def curve_from_start(curve: RoleCurve, started_s: float) -> RoleCurve:
    """Return a curve with times that count from the start of the trial."""
    spans = (CpuSpan(span.start_s - started_s, span.end_s - started_s, span.cores) for span in curve.cpu)
    return replace(curve, at_s=tuple(at_s - started_s for at_s in curve.at_s), cpu=tuple(spans))
