"""What a Prometheus saw of trials: a row for each series, and when the phases were; the same in every output."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from seatrial.analysis.observed.figures import figures_of, over_trials
from seatrial.report.during.disturbances import trial_text, where_text
from seatrial.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seatrial.analysis.observed.figures import Figures
    from seatrial.analysis.run.model import RunSummary, TrialSummary
    from seatrial.observe.prometheus.series import Observed, ObservedSeries

HEADING = "What Prometheus saw over the measure phase, by the queries of the plan:"
COLUMNS = (
    "System and case",
    "Trial",
    "Query",
    "Series",
    "Unit",
    "Mean",
    "Min",
    "Max",
    "First",
    "Last",
    "Points",
)
OVER_HEADING = "The same over the trials of each case:"
OVER_COLUMNS = ("System and case", "Query", "Series", "Unit", "Median of means", "Min", "Max", "Trials")
NOTES_HEADING = (
    "How it was asked, and when the phases were (UTC, by its own clock; Prometheus keeps no annotations):"
)
NONE = "-"
NO_SERIES = "no such series"


def observed_rows(summary: RunSummary) -> tuple[tuple[str, ...], ...]:
    """Return a row for each series of each query of each trial that was not set aside; what is missing has one, too."""
    return tuple(
        (where_text(case), trial_text(trial), one.name, *texts)
        for case in summary.cases
        for trial in case.trials
        for one in trial.observed
        for texts in _texts(one)
    )


def over_rows(summary: RunSummary) -> tuple[tuple[str, ...], ...]:
    """Return a row for each series of each case, over its trials."""
    return tuple(
        (
            where_text(case),
            over.name,
            over.labels or NONE,
            over.unit or NONE,
            *(_number(value) for value in (over.mean_median, over.min, over.max)),
            str(over.trials),
        )
        for case in summary.cases
        for over in over_trials([trial.observed for trial in case.trials])
    )


def observed_lines(summary: RunSummary) -> tuple[str, ...]:
    """Return a sentence for each series of each case, and for what is missing of which trials; for a terminal."""
    return (
        *(_sentence(dict(zip(OVER_COLUMNS, row, strict=True))) for row in over_rows(summary)),
        *_missing(summary),
    )


def _missing(summary: RunSummary) -> Iterator[str]:
    for case in summary.cases:
        found: dict[str, list[str]] = {}
        for trial in case.trials:
            for one in trial.observed:
                if one.problem is not None or not any(figures_of(series).count for series in one.series):
                    found.setdefault(f"{one.name}: {one.problem or _nothing(one)}", []).append(
                        str(trial.order)
                    )
        for text, trials in found.items():
            named = "trial" if len(trials) == 1 else "trials"
            yield f"{where_text(case)}, {named} {', '.join(trials)}: {text}"


def _nothing(one: Observed) -> str:
    return "no point of it is a number" if one.series else NO_SERIES


def observed_notes(summary: RunSummary) -> tuple[str, ...]:
    """Return how each query was asked, each way of it once, and when each trial's phases were."""
    trials = [trial for case in summary.cases for trial in case.trials if trial.observed]
    asked = dict.fromkeys(note for trial in trials for one in trial.observed for note in _asked(one))
    queries = {one.name: one for trial in reversed(trials) for one in trial.observed}
    texts = (
        f"{name}, as it was asked of trial {trials[0].order}: {' '.join(one.query.split())}"
        for name, one in reversed(queries.items())
    )
    return (*texts, *asked, *(_phases(trial) for trial in trials))


def observed_documents(found: Iterable[Observed]) -> list[dict[str, Any]]:
    """Return them for JSON: points are ``[Unix time, value]``, and values that are no numbers are texts."""
    return [{**asdict(one), "series": [_series_document(series) for series in one.series]} for one in found]


def observed_columns(found: Iterable[Observed]) -> dict[str, float | int | None]:
    """Return a trial's figures for a row of a spreadsheet; a query that yields several series has columns for each."""
    row: dict[str, float | int | None] = {}
    for one in found:
        for series in one.series:
            labels = f"{{{series.label_text}}}" if len(one.series) > 1 else ""
            figures, unit = asdict(figures_of(series)), f"_{one.unit}" if one.unit else ""
            for name in ("mean", "min", "max", "first", "last"):
                row[f"observed_{one.name}{labels}_{name}{unit}"] = figures[name]
            row[f"observed_{one.name}{labels}_points"] = figures["count"]
    return row


def _series_document(series: ObservedSeries) -> dict[str, Any]:
    return {
        "labels": dict(series.labels),
        **asdict(figures_of(series)),
        "points": [list(point) for point in series.points],
    }


def _texts(one: Observed) -> Iterator[tuple[str, ...]]:
    unit = one.unit or NONE
    if one.problem is not None:
        yield (f"not observed: {one.problem}", unit, *(NONE,) * 5, NONE)
        return
    if not one.series:
        yield (NO_SERIES, unit, *(NONE,) * 5, f"0 of {one.moments}")
    for series in one.series:
        figures = figures_of(series)
        numbers = (figures.mean, figures.min, figures.max, figures.first, figures.last)
        yield (series.label_text or NONE, unit, *map(_number, numbers), _points(one, figures))
    if one.left_out:
        yield (f"{one.left_out} more series", unit, *(NONE,) * 5, NONE)


def _points(one: Observed, figures: Figures) -> str:
    text = f"{figures.count} of {one.moments}"
    return f"{text}, {figures.not_numbers} no number" if figures.not_numbers else text


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:,.6g}"


def _sentence(row: dict[str, str]) -> str:
    series, unit = row["Series"], "" if row["Unit"] == NONE else f" {row['Unit']}"
    of = "" if series == NONE else f" {{{series}}}"
    trials = "1 trial" if row["Trials"] == "1" else f"{row['Trials']} trials"
    span = row["Min"] if row["Min"] == row["Max"] else f"{row['Min']} to {row['Max']}"
    return f"{row['System and case']}: {row['Query']}{of}: mean {row['Median of means']}{unit}, {span} ({trials})"


def _asked(one: Observed) -> Iterator[str]:
    if one.moments:
        yield (
            f"{one.name}: evaluated every {format_duration(one.step_s)}; scrape interval {one.interval_text}"
        )
    for warning in one.warnings:
        yield f"{one.name}: Prometheus warns: {warning}"


def _phases(trial: TrialSummary) -> str:
    one = trial.observed[0]
    begins = next((phase.start_s for phase in trial.phases if phase.name == "measure"), None)
    if begins is None:
        return f"trial {trial.order}: no measure phase is recorded"
    others = (phase for phase in trial.phases if phase.name != "measure")
    phases = (f"{phase.name} {_utc(one.start_s + phase.start_s - begins)}" for phase in others)
    measured = f"measure {_utc(one.start_s)} to {_utc(one.end_s)}"
    clock = f"its clock ahead of ours by {one.clock_ahead_s * 1_000:.0f} ms (within {one.clock_error_s * 1_000:.0f} ms)"
    return f"trial {trial.order}: {measured}; {', '.join(phases)}; {clock}"


def _utc(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(sep=" ", timespec="milliseconds").partition("+")[0]
