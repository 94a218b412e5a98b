"""The rows behind the charts over time: long form, one row for each point and series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.report.style import PHASE_FILLS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seatrial.analysis.model import CaseSummary, TrialSummary

Values = list[dict[str, Any]]

MILLISECOND_US = 1_000
MEGABYTE = 1_000_000
SOLID, DASHED = [1, 0], [5, 4]


def typical_trial(case: CaseSummary) -> TrialSummary | None:
    """Return the trial whose p99 is the median of the repeats (the lower one of two), or the only one."""
    known = [trial for trial in case.trials if trial.load is not None and trial.load.latency_us.count]
    ordered = sorted(known, key=lambda trial: trial.load.latency_us.p99 if trial.load is not None else 0)
    if ordered:
        return ordered[(len(ordered) - 1) // 2]
    return case.trials[0] if case.trials else None


def phase_bands(trial: TrialSummary) -> Values:
    """Return when each phase of the trial began and ended."""
    last_s = max([point.at_s for point in trial.series.points], default=0.0)
    return [
        {
            "phase": phase.name,
            "start_s": round(phase.start_s, 3),
            "end_s": round(phase.end_s if phase.end_s is not None else max(last_s, phase.start_s), 3),
            "fill": PHASE_FILLS[phase.name],
        }
        for phase in trial.phases
    ] or [{"phase": "", "start_s": 0, "end_s": last_s, "fill": "#ffffff"}]


def rate_values(trial: TrialSummary) -> Values:
    """Return requests/s asked for and completed."""
    asked = [(point.at_s, point.requested_per_s) for point in trial.series.points]
    achieved = [(point.at_s, point.completed_per_s) for point in trial.series.points]
    return [*_rows("achieved", achieved), *_rows("requested", asked, DASHED)]


def latency_values(trial: TrialSummary) -> Values:
    """Return median, p99 and maximum of each interval in milliseconds."""
    rows: Values = []
    for name in ("p50", "p99", "max"):
        values = [(point.at_s, getattr(point, f"latency_us_{name}")) for point in trial.series.points]
        rows += _rows(
            name, [(at_s, None if us is None else max(1, us) / MILLISECOND_US) for at_s, us in values]
        )
    return rows


def cpu_values(trial: TrialSummary) -> Values:
    """Return cores in use by each role."""
    curves = trial.series.roles
    return [
        row for curve in curves for row in _rows(curve.role, zip(curve.at_s, curve.cpu_cores, strict=True))
    ]


def memory_values(trial: TrialSummary) -> Values:
    """Return the memory of each role in megabytes."""
    rows: Values = []
    for curve in trial.series.roles:
        megabytes = (memory / MEGABYTE for memory in curve.memory_bytes)
        rows += _rows(curve.role, zip(curve.at_s, megabytes, strict=True))
    return rows


def _rows(series: str, points: Iterable[tuple[float, float | None]], dash: list[int] = SOLID) -> Values:
    return list(_each(series, points, dash))


def _each(
    series: str, points: Iterable[tuple[float, float | None]], dash: list[int]
) -> Iterator[dict[str, Any]]:
    for at_s, value in points:
        if value is not None:
            yield {"series": series, "at_s": round(at_s, 3), "value": float(f"{value:.5g}"), "dash": dash}
