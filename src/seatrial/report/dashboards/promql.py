"""The pieces that queries are made of, and the choices and moments that dashboards have in common."""

from __future__ import annotations

from seatrial.report.dashboards.panels import Annotation, Variable

WINDOW = "[$__rate_interval]"
"""Four scrapes, or a step of the chart if that is longer: Grafana knows the scrape interval from its data source."""
OF_TRIAL = 'run=~"$run",system=~"$system",case=~"$case",trial=~"$trial"'
OF_CASE = 'run=~"$run",system=~"$system",case=~"$case"'
OF_MACHINE = 'instance=~"$instance"'
QUANTILES = ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"))

PHASES = Annotation(
    "Phases",
    f"seatrial_phase_start_timestamp_seconds{{{OF_TRIAL}}} * 1000",
    "{{phase}}",
    "{{system}}, case {{case}}, trial {{trial}}",
    "blue",
)
NOTES = Annotation(
    "Notes",
    'seatrial_note_timestamp_seconds{run=~"$run"} * 1000',
    "note by {{author}}",
    "{{text}}",
    "orange",
)
MOMENTS = (PHASES, NOTES)

TRIALS = (
    Variable("run", "seatrial_run_info"),
    Variable("system", 'seatrial_workers{run=~"$run"}'),
    Variable("case", 'seatrial_workers{run=~"$run",system=~"$system"}'),
    Variable("trial", f"seatrial_workers{{{OF_CASE}}}"),
)
"""Each offers what there is of what was chosen before it."""


def of_targets(series: str) -> tuple[Variable, ...]:
    """Return the same choices from the labels of what is scraped, with those of the trial from the run's own series."""
    return (
        Variable("run", series),
        Variable("system", f'{series}{{run=~"$run"}}'),
        Variable("case", f'{series}{{run=~"$run",system=~"$system"}}'),
        TRIALS[-1],
    )


def total(series: str, by: str) -> str:
    """Add up series."""
    return f"sum by ({by}) ({series})"


def per_second(series: str, by: str) -> str:
    """Return how fast counters grow, added up."""
    return total(f"rate({series}{WINDOW})", by)


def quantile(share: float, buckets: str, by: str) -> str:
    """Return a quantile of a classic histogram over the window, of what all its series have in common."""
    return f"histogram_quantile({share}, {per_second(buckets, f'{by}, le')})"


def mean(summary: str, labels: str, by: str) -> str:
    """Return the mean of a histogram or a summary over the window."""
    of = f"{{{labels}}}" if labels else ""
    return f"{per_second(f'{summary}_sum{of}', by)} / {per_second(f'{summary}_count{of}', by)}"


def of_program(series: str, marker: str) -> str:
    """Keep series of the targets alone that have ``marker``, too: every Go program calls them the same."""
    return f"{series} and on (job, instance) {marker}"
