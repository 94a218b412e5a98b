"""What the controllers of systems used, did and suffered: a row for each pod of them, the same in every output."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seatrial.report.during.disturbances import trial_text, where_text
from seatrial.units import format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.analysis.control.controllers import ControllerSummary
    from seatrial.analysis.fit import Slope
    from seatrial.analysis.run.model import RunSummary, TrialSummary

HEADING = "What the controllers used and did, over each trial (CPU over the measure phase):"
COLUMNS = (
    "System and case",
    "Trial",
    "Controller",
    "CPU, cores",
    "Memory, max",
    "Heap, max",
    "Heap grew per minute",
    "Goroutines before, max, after",
    "Status updates",
    "per change",
    "Configurations made",
    "Queue, max",
    "Restarts",
    "Panics",
)
NONE = "-"


def controller_rows(summary: RunSummary) -> tuple[tuple[str, ...], ...]:
    """Return a row for each pod of each trial that was not set aside."""
    return tuple(
        (where_text(case), trial_text(trial), one.member, *_used(trial), *_did(one))
        for case in summary.cases
        for trial in case.trials
        for one in trial.controllers or ()
    )


def controller_lines(summary: RunSummary) -> tuple[str, ...]:
    """Return a sentence for each, for a terminal."""
    return tuple(_sentence(dict(zip(COLUMNS, row, strict=True))) for row in controller_rows(summary))


def controller_documents(controllers: Sequence[ControllerSummary] | None) -> list[dict[str, Any]] | None:
    """Return them for JSON; None where there is none, or nobody said."""
    return None if controllers is None else [asdict(one) for one in controllers]


def _used(trial: TrialSummary) -> tuple[str, str]:
    # Of all its pods together, as of every role.
    role = trial.resources.role("controller")
    if role is None:
        return NONE, NONE
    cpu = NONE if role.cpu_cores_mean is None else f"{role.cpu_cores_mean:.3f}"
    return cpu, f"{format_size(role.memory_bytes_max)} ({role.memory_measure})"


def _did(one: ControllerSummary) -> tuple[str, ...]:
    goroutines = (one.goroutines_before, one.goroutines_max, one.goroutines_after)
    return (
        NONE if one.heap_bytes_max is None else format_size(round(one.heap_bytes_max)),
        _growth(one.heap_growth),
        ", ".join(map(_count, goroutines)),
        _count(one.status_updates),
        NONE if one.status_updates_per_change is None else f"{one.status_updates_per_change:.2f}",
        _count(one.rebuilds),
        _count(one.queue_depth_max),
        f"{one.restarts:,}",
        _count(one.panics),
    )


def _count(value: float | None) -> str:
    return NONE if value is None else f"{value:,.0f}"


def _growth(slope: Slope | None) -> str:
    if slope is None:
        return NONE
    each, low, high = (f"{value * 60 / 1e6:+.2f}" for value in (slope.per_unit, slope.low, slope.high))
    return f"{each} MB ({low} to {high})"


def _sentence(row: dict[str, str]) -> str:
    return (
        f"{row['System and case']}, trial {row['Trial']}, {row['Controller']}: {row['CPU, cores']} cores, "
        f"{row['Memory, max']}, heap up to {row['Heap, max']} (grew per minute: {row['Heap grew per minute']}); "
        f"{row['Status updates']} status updates ({row['per change']} per change), "
        f"{row['Configurations made']} configurations made; "
        f"goroutines {row['Goroutines before, max, after']} (before, max, after); queue up to {row['Queue, max']}; "
        f"restarts: {row['Restarts']}, panics: {row['Panics']}"
    )
