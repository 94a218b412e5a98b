"""What was done to systems while they were measured, and what came of it: the same in every output."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Any

from seatrial.analysis.load.answered import dropped, error_count
from seatrial.units import format_us

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.analysis.load.disturbed import DisturbedLoad, DisturbedWindow
    from seatrial.analysis.load.result import LoadResult
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
NONE = "-"
SPARED = "not done to it"
"""In place of how long it took, where the plan does it to other systems."""


@dataclass(frozen=True, slots=True)
class _Texts:
    """One disturbance in words, in the order of the columns; "-" is not known, or not done."""

    where: str
    trial: str
    at_s: str
    done: str
    took_s: str
    sent: str = NONE
    unsent: str = NONE
    dropped: str = NONE
    errors: str = NONE
    held_lost: str = NONE
    before: str = NONE
    after: str = NONE
    longest: str = NONE


def disturbance_rows(summary: RunSummary) -> tuple[tuple[str, ...], ...]:
    """Return a row for each disturbance of each trial that was not set aside, and for each that a case was spared."""
    return tuple(astuple(texts) for texts in _all_texts(summary))


def disturbance_lines(summary: RunSummary) -> tuple[str, ...]:
    """Return a sentence for each, for a terminal."""
    return tuple(_sentence(texts) for texts in _all_texts(summary))


def _sentence(texts: _Texts) -> str:
    if texts.took_s == SPARED:
        return f"{texts.where}, at {texts.at_s} s: {texts.done} was {SPARED}"
    began = f"{texts.where}, trial {texts.trial}, at {texts.at_s} s: {texts.done}"
    if texts.sent == NONE:
        return f"{began} has no window of its own: the next began in its step"
    took = f"took {texts.took_s} s" if texts.took_s != NONE else "was not done"
    return (
        f"{began} {took}; of {texts.sent} requests {texts.dropped} were dropped, {texts.unsent} could not be sent, "
        f"{texts.errors} errors, {texts.held_lost} idle connections lost; p99 {texts.before} before, {texts.after} "
        f"after, at most {texts.longest}"
    )


def _all_texts(summary: RunSummary) -> Iterator[_Texts]:
    for case in summary.cases:
        for trial in case.trials:
            if trial.disturbed is not None:
                for window in trial.disturbed.windows:
                    yield _texts(case, trial, trial.disturbed, window)
        for at_s, words in case.case.spared:
            yield _Texts(where_text(case), NONE, f"{at_s:.1f}", words, SPARED)


def where_text(case: CaseSummary) -> str:
    """Return the system and what of the case varies."""
    return f"{case.case.system}, {case.label}" if case.label else case.case.system


def trial_text(trial: TrialSummary) -> str:
    """Return which trial it is, and that it cannot be believed where it cannot."""
    state = trial.validity.state
    return str(trial.order) if state == "VALID" else f"{trial.order} ({state})"


def _texts(
    case: CaseSummary, trial: TrialSummary, disturbed: DisturbedLoad, window: DisturbedWindow
) -> _Texts:
    begun = _Texts(
        where=where_text(case),
        trial=str(trial.order),
        at_s=f"{window.at_s:.1f}",
        done=window.words,
        took_s=NONE if window.took_s is None else f"{window.took_s:.2f}",
        before=_latency(disturbed.steady, "p99"),
    )
    load = window.load
    if load is None:
        return begun
    return replace(
        begun,
        sent=f"{load.requests.sent:,}",
        unsent=f"{load.requests.unsent:,}",
        dropped=f"{dropped(load):,}",
        errors=f"{error_count(load):,}",
        held_lost=f"{window.held_lost:,}",
        after=_latency(load, "p99"),
        longest=_latency(load, "max"),
    )


def _latency(load: LoadResult | None, name: str) -> str:
    return NONE if load is None or not load.latency_us.count else format_us(getattr(load.latency_us, name))


def disturbance_documents(disturbed: DisturbedLoad | None) -> list[dict[str, Any]]:
    """Return each window of a trial for JSON, with dataclasses in it; seconds from the start of the measure phase."""
    return [] if disturbed is None else [_document(window) for window in disturbed.windows]


def _document(window: DisturbedWindow) -> dict[str, Any]:
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
        **{name: None if window.load is None else getattr(window.load, name) for name in names},
    }
