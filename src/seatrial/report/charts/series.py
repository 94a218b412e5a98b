"""The rows behind the charts over time: long form, one row for each point and series.

Every curve is drawn as steps: a row says where a value begins, and it stands until the next row of its ``part``. Of
values that are nearer to each other than a screen can show the lowest and the highest are left. The
last row of a part repeats its value where that ends, so that a curve neither slopes nor runs on; where something is
not known, a new part begins.
"""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

from seatrial.analysis.discovery.figures import FIGURES
from seatrial.report.charts.style import PHASE_FILLS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from seatrial.analysis.run.model import CaseSummary, TrialSummary

Values = list[dict[str, Any]]
# From when to when, and the value; None is not known.
Span = tuple[float, float, float | None]
Known = tuple[float, float, float]

MILLISECOND_US = 1_000
MEGABYTE = 1_000_000
# Rows are rounded to this, which is finer than any screen; two spans that are no further apart touch.
INSTANT_S = 0.001
# Of a chart over time: each is two pixels wide, as a line is, so that more than the lowest and the highest value in one
# cannot be seen.
COLUMNS = 370
# In the order of the legend, and of the colours.
LATENCIES = ("p50", "p99", "max")


def typical_trial(case: CaseSummary) -> TrialSummary | None:
    """Return the trial whose p99 is the median of the repeats (the lower one of two), or the only one.

    Of discoverers it is the one that took the median time until all was there.
    """
    carried = [trial for trial in case.trials if trial.discovery is not None]
    if carried:
        carried.sort(key=_all_s)
        return carried[(len(carried) - 1) // 2]
    known = [trial for trial in case.trials if trial.load is not None and trial.load.latency_us.count]
    ordered = sorted(known, key=lambda trial: trial.load.latency_us.p99 if trial.load is not None else 0)
    if ordered:
        return ordered[(len(ordered) - 1) // 2]
    return case.trials[0] if case.trials else None


def _all_s(trial: TrialSummary) -> float:
    found = None if trial.discovery is None else FIGURES["discovered_all_s"](trial.discovery)
    return float("inf") if found is None else found


def phase_bands(trial: TrialSummary) -> Values:
    """Return when each phase of the trial began and ended."""
    last_s = max([point.end_s for point in trial.series.points], default=0.0)
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
    """Return requests/s asked for, in the phases that send, and completed."""
    points = trial.series.points
    achieved = [(point.start_s, point.end_s, point.completed_per_s) for point in points]
    return [*rows_of("requested", _requested(trial)), *rows_of("achieved", achieved)]


def _requested(trial: TrialSummary) -> list[Span]:
    points = trial.series.points
    rates = {point.requested_per_s for point in points if point.requested_per_s is not None}
    if len(rates) > 1:
        return [(point.start_s, point.end_s, point.requested_per_s) for point in points]
    # One rate holds from edge to edge of its phases, wherever the points lie.
    bands = [band for band in phase_bands(trial) if band["phase"] in {"warm up", "measure"}]
    return [(band["start_s"], band["end_s"], next(iter(rates), None)) for band in bands]


def latency_values(trial: TrialSummary) -> Values:
    """Return median, p99 and maximum of each step in milliseconds."""
    rows: Values = []
    for name in LATENCIES:
        values = [
            (point.start_s, point.end_s, getattr(point, f"latency_us_{name}"))
            for point in trial.series.points
        ]
        rows += rows_of(
            name,
            [
                (start_s, end_s, None if us is None else max(1, us) / MILLISECOND_US)
                for start_s, end_s, us in values
            ],
        )
    return rows


def cpu_values(trial: TrialSummary) -> Values:
    """Return cores in use by each role."""
    return [
        row
        for curve in trial.series.roles
        for row in rows_of(curve.role, ((span.start_s, span.end_s, span.cores) for span in curve.cpu))
    ]


def memory_title(trial: TrialSummary) -> str:
    """Return what the memory is: that of pods is another measure than that of processes here."""
    measures = {curve.memory_measure for curve in trial.series.roles}
    return "memory (MB; of pods: working set)" if "working set" in measures else "memory (MB)"


def memory_values(trial: TrialSummary) -> Values:
    """Return the memory of each role in megabytes, as it was seen last."""
    rows: Values = []
    for curve in trial.series.roles:
        looks = list(zip(curve.at_s, curve.memory_bytes, strict=True))
        spans = [(at_s, next_s, memory / MEGABYTE) for (at_s, memory), (next_s, _) in pairwise(looks)]
        rows += rows_of(
            curve.role, [*spans, *((at_s, at_s, memory / MEGABYTE) for at_s, memory in looks[-1:])]
        )
    return rows


def rows_of(series: str, spans: Iterable[Span]) -> Values:
    """Return the rows of a curve."""
    return [
        row for part, own in enumerate(_parts(spans)) for row in _steps(series, part, list(_thinned(own)))
    ]


def _parts(spans: Iterable[Span]) -> list[list[Known]]:
    """Return what is known in runs of spans that touch."""
    parts: list[list[Known]] = []
    for start_s, end_s, value in spans:
        if value is None:
            continue
        if not parts or start_s - parts[-1][-1][1] > INSTANT_S:
            parts.append([])
        parts[-1].append((start_s, end_s, float(f"{value:.6g}")))
    return parts


def _thinned(part: Sequence[Known]) -> Iterator[Known]:
    """Yield of the spans that begin in one column of the drawing the lowest and the highest, in their order."""
    column_s = (part[-1][1] - part[0][0]) / COLUMNS
    if len(part) <= COLUMNS or not column_s:
        yield from part
        return
    for _, group in groupby(part, key=lambda span: int((span[0] - part[0][0]) / column_s)):
        spans = list(group)
        if len(spans) <= 2:
            yield from spans
            continue
        one, other = sorted((min(spans, key=_value), max(spans, key=_value)))
        yield spans[0][0], other[0], one[2]
        yield other[0], spans[-1][1], other[2]


def _value(span: Known) -> float:
    return span[2]


def _steps(series: str, part: int, spans: Sequence[Known]) -> Iterator[dict[str, Any]]:
    drawn = None
    for start_s, _, value in spans:
        # While a value stands nothing is to be drawn.
        if value != drawn:
            yield _row(series, part, start_s, value)
            drawn = value
    yield _row(series, part, spans[-1][1], spans[-1][2])


def _row(series: str, part: int, at_s: float, value: float) -> dict[str, Any]:
    return {"series": series, "part": part, "at_s": round(at_s, 3), "value": value}
