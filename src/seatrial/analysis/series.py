"""A trial over time, for the charts: frames of all workers put into equal steps, roles beside them."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from seatrial.analysis.histograms import merge
from seatrial.analysis.model import SeriesPoint, TrialSeries
from seatrial.analysis.resources import RoleCurve, role_curves
from seatrial.analysis.window import NANOSECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.generator.frames import Frame
    from seatrial.observe.samples import ProcessSample
    from seatrial.record.rows import RecordedCase, RecordedPhase, RecordedTrial

# More points than this are not told apart on a screen and make the page slow.
POINTS_LIMIT = 2_000
_WITH_REQUESTS = ("warm up", "measure")


def trial_series(
    case: RecordedCase,
    trial: RecordedTrial,
    phases: Sequence[RecordedPhase],
    frames: Sequence[Frame],
    samples: Sequence[ProcessSample],
) -> TrialSeries:
    """Return the curves of one trial, times counting from its start, at most 2,000 points each."""
    roles = tuple(_shifted(_thinned(curve), trial.started_s) for curve in role_curves(samples))
    return TrialSeries(_points(case, trial, phases, frames), roles)


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


def _points(
    case: RecordedCase, trial: RecordedTrial, phases: Sequence[RecordedPhase], frames: Sequence[Frame]
) -> tuple[SeriesPoint, ...]:
    if not frames:
        return ()
    start_ns = int(trial.started_s * NANOSECONDS)
    step_ns = _step_ns(frames)
    steps: dict[int, list[Frame]] = {}
    for frame in frames:
        steps.setdefault(((frame.start_ns + frame.end_ns) // 2 - start_ns) // step_ns, []).append(frame)
    return tuple(
        _point(case, phases, own, ((step + 0.5) * step_ns + start_ns) / NANOSECONDS, trial.started_s)
        for step, own in sorted(steps.items())
    )


def _step_ns(frames: Sequence[Frame]) -> int:
    # The usual length of an interval, or so much longer that the limit holds.
    usual = median(frame.end_ns - frame.start_ns for frame in frames)
    whole = max(frame.end_ns for frame in frames) - min(frame.start_ns for frame in frames)
    return max(1, int(usual), whole // POINTS_LIMIT)


def _point(
    case: RecordedCase,
    phases: Sequence[RecordedPhase],
    frames: Sequence[Frame],
    at_s: float,
    started_s: float,
) -> SeriesPoint:
    phase = next((phase.name for phase in reversed(phases) if phase.start_s <= at_s), "set up")
    parts = [part for frame in frames for part in frame.parts]
    # Each worker's own span divides its own count: workers do not begin their intervals together.
    sent = sum(_per_s(frame, sum(part.sent for part in frame.parts)) for frame in frames)
    completed = sum(_per_s(frame, sum(part.completed for part in frame.parts)) for frame in frames)
    latency = merge(part.latency for part in parts)
    workers = {frame.worker: frame for frame in frames}
    per_worker = len(frames) / len(workers)
    return SeriesPoint(
        at_s=at_s - started_s,
        phase=phase,
        requested_per_s=case.rate_per_s if phase in _WITH_REQUESTS else None,
        sent_per_s=sent / per_worker,
        completed_per_s=completed / per_worker,
        latency_us_p50=latency.quantile_us(0.5) if latency.count else None,
        latency_us_p99=latency.quantile_us(0.99) if latency.count else None,
        latency_us_max=latency.max_us if latency.count else None,
        errors=sum(sum(frame.errors.values()) for frame in frames),
        held=sum(frame.held for frame in workers.values()),
        active=sum(frame.active for frame in workers.values()),
    )


def _per_s(frame: Frame, count: int) -> float:
    return count * NANOSECONDS / max(1, frame.end_ns - frame.start_ns)


def _thinned(curve: RoleCurve) -> RoleCurve:
    every = -(-len(curve.at_s) // POINTS_LIMIT) or 1
    return RoleCurve(curve.role, curve.at_s[::every], curve.cpu_cores[::every], curve.memory_bytes[::every])


def _shifted(curve: RoleCurve, started_s: float) -> RoleCurve:
    at_s = tuple(at_s - started_s for at_s in curve.at_s)
    return RoleCurve(curve.role, at_s, curve.cpu_cores, curve.memory_bytes)
