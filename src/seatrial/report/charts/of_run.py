"""Every chart that the report of a run shows, with its title and caption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.report.charts import charts
from seatrial.report.charts.discovery import faults_text
from seatrial.report.charts.over_time import trial_over_time
from seatrial.report.charts.series import typical_trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.analysis.run.model import CaseSummary, RunSummary

# A page with more charts over time than this takes long to make and nobody reads them all; the tables hold
# every case.
CHARTS_OVER_TIME_LIMIT = 24
_DISCOVERY = (
    "From the discoverer's start, or from when the source had the change. Dot: median of the repeats. Bar: from the "
    "least to the greatest repeat."
)


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart, a Vega-Lite ``spec``; ``group`` is the heading under which a page folds it away, if any."""

    id: str
    title: str
    caption: str
    spec: dict[str, Any]
    group: str | None = None


def charts_of(summary: RunSummary, over_time_limit: int | None = CHARTS_OVER_TIME_LIMIT) -> Iterator[Chart]:
    """Yield the charts of a run: latencies and discovery by case, the spectrum, and of each case a trial over time."""
    by_case = charts.latency_by_case(summary)
    if by_case is not None:
        caption = "Dot: percentile of the merged histograms of all repeats. Bar: from the least to the greatest repeat."
        yield Chart("latency", "Latency by case", caption, by_case)
    spectrum = charts.latency_spectrum(summary)
    if spectrum is not None:
        caption = "Every sample of all repeats. To the right, each gridline is ten times rarer."
        yield Chart("spectrum", "Percentile spectrum", caption, spectrum)
    # Of a single case the table has it.
    discovery = charts.discovery_by_case(summary) if len(summary.cases) > 1 else None
    if discovery is not None:
        yield Chart("discovery", "How soon services were there", _DISCOVERY, discovery)
    for number, case in enumerate(summary.cases[:over_time_limit]):
        over_time = trial_over_time(case, [system.label for system in summary.systems])
        if over_time is not None:
            title = f"{case.case.system}: {case.label}"
            yield Chart(f"trial-{number}", title, _trial_caption(case), over_time, group=title)


def _trial_caption(case: CaseSummary) -> str:
    trial = typical_trial(case)
    if trial is None:
        return ""
    middle = "median p99" if trial.discovery is None else "median time until all was there"
    which = f"the repeat with the {middle}" if len(case.trials) > 1 else "the only repeat"
    curve = trial.series.discovery
    steps = "" if curve is None else f" Dashed lines are where a step begins.{faults_text(curve)}"
    return f"Trial {trial.order}, {which}. {trial.validity.state}. The measure phase is shaded green.{steps}"
