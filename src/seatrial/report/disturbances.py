"""What was done to systems while they were measured, and what came of it: the same in every output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.analysis.load.answered import dropped, error_count
from seatrial.units import format_us

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.analysis.load.disturbed import DisturbedLoad, DisturbedWindow
    from seatrial.analysis.run.model import CaseSummary, RunSummary, TrialSummary

HEADING = "What was done while it was measured, and what came of it:"
COLUMNS = (
    "System and case",
    "Trial",
    "At (s)",
    "Done",
    "Took (s)",
    "Sent",
    "Not sent",
    "Dropped",
    "Errors",
    "Idle connections lost",
    "p99 before",
    "p99 after",
    "max after",
)


def disturbance_rows(summary: RunSummary) -> tuple[tuple[str, ...], ...]:
    """Return a row for each disturbance of each trial that was not set aside."""
    return tuple(
        _row(case, trial, trial.disturbed, window)
        for case in summary.cases
        for trial in case.trials
        if trial.disturbed is not None
        for window in trial.disturbed.windows
    )


def disturbance_lines(summary: RunSummary) -> tuple[str, ...]:
    """Return a sentence for each, for a terminal."""
    return tuple(_sentences(summary))


def _sentences(summary: RunSummary) -> Iterator[str]:
    for row in disturbance_rows(summary):
        where, trial, at_s, done, took_s, sent, unsent, dropped_, errors, lost, before, after, longest = row
        if sent == "-":
            yield f"{where}, trial {trial}, at {at_s} s: {done} has no window of its own: the next began in its step"
            continue
        took = f"took {took_s} s" if took_s != "-" else "was not done"
        yield (
            f"{where}, trial {trial}, at {at_s} s: {done} {took}; of {sent} requests {dropped_} were dropped, "
            f"{unsent} could not be sent, "
            f"{errors} errors, {lost} idle connections lost; p99 {before} before, {after} after, at most {longest}"
        )


def _row(
    case: CaseSummary, trial: TrialSummary, disturbed: DisturbedLoad, window: DisturbedWindow
) -> tuple[str, ...]:
    load, steady = window.load, disturbed.steady
    what = (
        f"{case.case.system}, {case.label}" if case.label else case.case.system,
        str(trial.order),
        f"{window.at_s:.1f}",
        window.words,
        "-" if window.took_s is None else f"{window.took_s:.2f}",
    )
    before = "-" if steady is None or not steady.latency_us.count else format_us(steady.latency_us.p99)
    if load is None:
        return (*what, *("-",) * 5, before, "-", "-")
    return (
        *what,
        f"{load.requests.sent:,}",
        f"{load.requests.unsent:,}",
        f"{dropped(load):,}",
        f"{error_count(load):,}",
        f"{window.held_lost:,}",
        before,
        format_us(load.latency_us.p99) if load.latency_us.count else "-",
        format_us(load.latency_us.max) if load.latency_us.count else "-",
    )


def disturbance_documents(disturbed: DisturbedLoad | None) -> list[dict[str, Any]]:
    """Return each window of a trial for JSON; times in seconds from the start of the measure phase."""
    return [] if disturbed is None else [_document(window) for window in disturbed.windows]


def _document(window: DisturbedWindow) -> dict[str, Any]:
    load = None if window.load is None else window.load.to_json()
    names = ("requests", "status", "errors", "latency_us", "service_time_us")
    return {
        "number": window.number,
        "done": window.words,
        "at_s": window.at_s,
        "took_s": window.took_s,
        "start_s": window.start_s,
        "end_s": window.end_s,
        "held_lost": window.held_lost,
        "dropped": None if window.load is None else dropped(window.load),
        **{name: None if load is None else load[name] for name in names},
    }
