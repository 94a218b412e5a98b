"""What became of a discoverer: how soon each change was there, its calls, its queue; the same in every output."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seatrial.analysis.discovery.use import FILLED
from seatrial.analysis.objects import quantile
from seatrial.report.during.cells import NONE, time_text
from seatrial.report.during.disturbances import trial_text, where_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.analysis.discovery.queue import QueueUse
    from seatrial.analysis.discovery.use import DiscoveryUse, StepUse
    from seatrial.analysis.run.model import RunSummary

HEADING = "What a discoverer carried, from when the source had a change until the destination had it:"
COLUMNS = (
    "System and case",
    "Trial",
    "Step",
    "Services",
    "First",
    "p50",
    "Last",
    "Services/s",
    "Missing",
    "Relapses",
    "Calls",
    "Writes",
    "Refused",
    "Calls per service",
    "Source calls",
)
QUEUE_HEADING = "What its queue did, by its own count:"
QUEUE_COLUMNS = (
    "System and case",
    "Trial",
    "Peak",
    "Empty after",
    "Drained, items/s",
    "Left at the end",
    "Enqueued",
    "Done",
    "Dropped",
    "Retries",
    "Unaccounted",
    "Held up by",
    "Seen to within, p50 (max)",
)
_NAMES = {
    "all": "all that was there",
    "new": "one added",
    "update": "one changed",
    "delete": "one deleted",
    "idle": "idle",
    "storm": "storm: one namespace emptied",
    "fault": "fault",
    "end": "end",
}


def discovery_rows(summary: RunSummary) -> tuple[tuple[str, ...], ...]:
    """Return a row for each step of each trial that was not set aside."""
    return tuple(
        (where_text(case), trial_text(trial), *cells)
        for case in summary.cases
        for trial in case.trials
        if trial.discovery is not None
        for step in trial.discovery.steps
        for cells in _step(step)
    )


def queue_rows(summary: RunSummary) -> tuple[tuple[str, ...], ...]:
    """Return a row for the queue of each trial that was not set aside."""
    return tuple(
        (where_text(case), trial_text(trial), *_queue(trial.discovery))
        for case in summary.cases
        for trial in case.trials
        if trial.discovery is not None
    )


def discovery_lines(summary: RunSummary) -> tuple[str, ...]:
    """Return a few sentences for each trial, for a terminal."""
    return tuple(
        f"{where_text(case)}, trial {trial_text(trial)}: {sentence}"
        for case in summary.cases
        for trial in case.trials
        if trial.discovery is not None
        for sentence in _sentences(trial.discovery)
    )


def discovery_document(use: DiscoveryUse | None) -> dict[str, Any] | None:
    """Return it for JSON: every value, in seconds; None where nothing was discovered."""
    if use is None:
        return None
    steps = [
        {
            **asdict(step),
            "calls_per_change": step.calls_per_change,
            "source_calls_per_change": step.source_calls_per_change,
            "services_per_s": step.per_s,
        }
        for step in use.steps
    ]
    limiter = None if use.limiter is None else {**asdict(use.limiter), "sentence": use.limiter.sentence}
    return {**asdict(use), "steps": steps, "limiter": limiter}


def _step(step: StepUse) -> Iterator[tuple[str, ...]]:
    name = f"{step.words}" if step.step == "fault" else _NAMES[step.step]
    if step.words == FILLED:
        name = "storm: namespace filled"
    if step.periods:
        name += f" ({step.periods} periods)"
    yield (
        name,
        f"{step.asked:,}",
        time_text(step.times_s[0]) if step.times_s else NONE,
        time_text(quantile(step.times_s, 0.5)),
        time_text(step.times_s[-1]) if step.times_s else NONE,
        NONE if step.per_s is None or step.step not in {"all", "storm"} else f"{step.per_s:,.1f}",
        f"{step.missing:,}",
        f"{step.relapses:,}",
        f"{sum(step.calls.values()):,}",
        f"{step.writes:,}",
        ", ".join(f"{count:,} of {status}" for status, count in step.refused.items()) or "0",
        NONE if step.calls_per_change is None or not step.times_s else f"{step.calls_per_change:,.2f}",
        NONE if step.source_calls is None else f"{step.source_calls:,}",
    )
    if step.step == "storm" and step.words != FILLED:
        missing = "1" if step.added_s is None else "0"
        yield ("storm: one added elsewhere", "1", *[time_text(step.added_s)] * 3, NONE, missing, *[NONE] * 6)


def _queue(use: DiscoveryUse) -> tuple[str, ...]:
    queue = use.queue
    lag = NONE if use.lag_s_p50 is None else f"{time_text(use.lag_s_p50)} ({time_text(use.lag_s_max)})"
    held_up = NONE if use.limiter is None else use.limiter.sentence
    if queue is None:
        return (*[NONE] * 9, held_up, lag)
    return (
        _count(queue.peak),
        time_text(queue.emptied_s),
        NONE if queue.drained_per_s is None else f"{queue.drained_per_s:,.1f}",
        _count(queue.left),
        _count(queue.enqueued),
        _count(queue.done),
        _count(queue.dropped),
        _count(queue.retries),
        _count(queue.unaccounted),
        held_up,
        lag,
    )


def _sentences(use: DiscoveryUse) -> Iterator[str]:
    for step in use.of("all"):
        missing = _missing(step)
        first, last = (step.times_s[0], step.times_s[-1]) if step.times_s else (None, None)
        yield (
            f"{step.asked:,} services, the first there after {time_text(first)}, the last after "
            f"{time_text(last)}{missing}"
            + ("" if use.limiter is None else f"; held up by {use.limiter.sentence}")
        )
    yield from _one_by_one(use)
    for step in use.of("idle"):
        yield f"idle for {step.periods} periods: {step.writes:,} writes, {step.changed:,} objects changed"
    for step in use.of("storm"):
        gone = time_text(step.times_s[-1] if step.times_s else None)
        yield (
            f"{step.asked - 1:,} deleted in one namespace: gone after {gone}; one added elsewhere was there after "
            f"{time_text(step.added_s)}"
        )
    for step in use.of("fault"):
        after = ""
        if step.recovered_s is not None:
            later = (
                f"the last {time_text(step.recovered_s)} after it was over"
                if step.recovered_s
                else "all while it lasted"
            )
            after = f", {later}"
        befell = "" if step.befallen is None else f" (befell {step.befallen:,} calls)"
        yield f"{step.words}{befell}: {step.missing:,} of {step.asked:,} did not come right{after}"
    if use.relapses:
        yield f"{use.relapses:,} times a service was as the source has it, and then was not, with no change there"
    if use.queue is not None:
        yield _queue_sentence(use.queue)
    if use.lag_s_p50 is not None:
        yield f"what was seen is known to within {time_text(use.lag_s_p50)} (p50), {time_text(use.lag_s_max)} (max)"


def _one_by_one(use: DiscoveryUse) -> Iterator[str]:
    for kind in ("new", "update", "delete"):
        for step in use.of(kind):
            times = step.times_s
            found = (
                NONE
                if not times
                else f"{time_text(quantile(times, 0.5))} (p50), {time_text(times[-1])} (max)"
            )
            yield f"{_NAMES[kind]}, {step.asked:,} times: there after {found}{_missing(step)}"


def _missing(step: StepUse) -> str:
    if step.cut_off:
        return f", {step.missing:,} not there when the measure phase ended"
    return f", {step.missing:,} missing" if step.missing else ""


def _queue_sentence(queue: QueueUse) -> str:
    return (
        f"its queue: {_count(queue.peak)} at most, empty after {time_text(queue.emptied_s)}, {_count(queue.left)} left "
        f"at the end, {_count(queue.dropped)} dropped, {_count(queue.unaccounted)} unaccounted for"
    )


def _count(value: float | None) -> str:
    return NONE if value is None else f"{value:,.0f}"
