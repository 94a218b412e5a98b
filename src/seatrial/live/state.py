"""What a view knows of a run, put together from its events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial._engine import Histogram
from seatrial.record import events
from seatrial.units import format_duration, format_us

if TYPE_CHECKING:
    from seatrial.analysis.load.result import LoadResult
    from seatrial.analysis.reasons import Validity
    from seatrial.generator.frames import Frame

NANOSECONDS = 1_000_000_000


# Says of a trial that has ended, by the run's id and its number, what it gave and whether that may be believed.
# None is not known.
Judge = Callable[[str, int], "tuple[LoadResult | None, Validity] | None"]


def _unknown(_run_id: str, _trial: int) -> None:
    return None


@dataclass(slots=True)
class LiveState:
    """The trial and phase of now, the last interval of each worker, and the failures since the trial began.

    ``first`` is the first trial that was seen to begin: of a run that was resumed it is not number 1.
    """

    run_id: str = ""
    trial: events.TrialStarted | None = None
    phase: events.PhaseStarted | None = None
    frames: dict[int, Frame] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    first: events.TrialStarted | None = None
    ended: events.TrialEnded | None = None
    judge: Judge = _unknown

    def take(self, event: events.Event) -> tuple[str, ...]:
        """Take one event; return the lines to keep for what marks the course of the run.

        What came of a trial is said at the event after its end. The run has judged it by then and keeps the summary, so
        that nobody judges it a second time beside the trial that follows.
        """
        return (*self.last_trial(), *self._lines(event))

    def last_trial(self) -> tuple[str, ...]:
        """Return the line of a trial that has ended, if there is one of which it was not returned yet."""
        if self.trial is None or self.ended is None:
            return ()
        ended, self.ended = self.ended, None
        return (trial_line(self.trial, ended, self.judge(self.run_id, ended.trial), self.first),)

    def _lines(self, event: events.Event) -> tuple[str, ...]:
        if isinstance(event, events.FrameRecorded):
            self.frames[event.frame.worker] = event.frame
            self.errors.update(event.frame.errors)
        elif isinstance(event, events.RunStarted):
            self.run_id = event.run_id
        elif isinstance(event, events.TrialStarted):
            self.trial, self.phase = event, None
            self.first = self.first or event
            self.frames.clear()
            self.errors.clear()
        elif isinstance(event, events.TrialEnded):
            self.ended = event
        elif isinstance(event, events.PhaseStarted):
            self.phase = event
            # The phases of a trial are many lines in a log, and say little there; a single load has no others.
            return () if self.trial is not None else (f"  {event.phase}{_expected(event)}",)
        elif isinstance(event, events.Noted):
            return (f"  note by {event.author}: {event.text}",)
        elif isinstance(event, events.RunEnded):
            return (f"run {event.state}",)
        return ()

    @property
    def completed_per_s(self) -> float:
        """Requests/s completed in the last interval of every worker."""
        return sum(
            sum(part.completed for part in frame.parts) * NANOSECONDS / max(1, frame.end_ns - frame.start_ns)
            for frame in self.frames.values()
        )

    @property
    def held(self) -> int:
        """Held connections that are established."""
        return sum(frame.held for frame in self.frames.values())

    @property
    def latency_us_p99(self) -> int | None:
        """The p99 of the last interval of every worker, merged; None without requests."""
        histogram = Histogram()
        for frame in self.frames.values():
            for part in frame.parts:
                if part.latency:
                    histogram.add_encoded(part.latency)
        return histogram.quantile_us(0.99) if histogram.count else None


def progress_line(state: LiveState, now_s: float) -> str:
    """Return the state of now as one line; ``now_s`` is CLOCK_MONOTONIC."""
    if state.phase is None:
        return "starting"
    p99_us = state.latency_us_p99
    phase = f"{state.phase.phase}{_left(state.phase, now_s)}"
    # A single load is no trial.
    trial = state.trial
    parts = [
        *([phase] if trial is None else [f"trial {trial.order}/{trial.of}", f"{trial.system}: {phase}"]),
        f"{state.completed_per_s:,.0f} requests/s",
        f"p99 {format_us(p99_us) if p99_us is not None else '-'}",
        f"{state.held:,} held",
        *(f"{count:,} x {kind}" for kind, count in state.errors.most_common(1)),
    ]
    return "  ".join(parts)


def _left(phase: events.PhaseStarted, now_s: float) -> str:
    if phase.expected_s is None:
        return f", {max(0.0, now_s - phase.at_s):.0f} s so far"
    left_s = phase.at_s + phase.expected_s - now_s
    return f", {max(0.0, left_s):.0f} s left" if left_s > -0.5 else f", {-left_s:.0f} s more than expected"


def _expected(event: events.PhaseStarted) -> str:
    return "" if event.expected_s is None else f", {event.expected_s:.0f} s"


def trial_line(
    trial: events.TrialStarted,
    ended: events.TrialEnded,
    outcome: tuple[LoadResult | None, Validity] | None,
    first: events.TrialStarted | None,
) -> str:
    """Return what came of a trial: its number, case, rate, p50 and p99, whether it is believed, and the time left."""
    parts = [] if ended.state == events.COMPLETED else [events.ending_text(ended.state, ended.failure)]
    if outcome is not None:
        load, validity = outcome
        parts += [] if load is None else _figures(load)
        causes = [cause.text for cause in validity.causes]
        parts.append("believed" if not causes else f"not believed: {causes[0]}{_others(len(causes) - 1)}")
    what = f"trial {trial.order} of {trial.of}: {trial.case_id}, repeat {trial.repeat}"
    left = trial.of - trial.order
    # What a person ended early is not gone on with.
    if first is None or not left or ended.state == events.CUT_OFF:
        return f"{what}: {', '.join(parts)}"
    left_s = round((ended.at_s - first.at_s) / (trial.order - first.order + 1) * left)
    return f"{what}: {', '.join(parts)}; about {format_duration(left_s)} left"


def _figures(load: LoadResult) -> list[str]:
    rate, latency = load.rate_per_s, load.latency_us
    asked = f" of {rate.requested:,.0f}" if rate.requested else ""
    figures = [f"{rate.achieved:,.0f}{asked} requests/s"]
    if latency.count:
        figures += [f"p50 {format_us(latency.p50)}", f"p99 {format_us(latency.p99)}"]
    return figures


def _others(count: int) -> str:
    return f" (and {count} other reason{'' if count == 1 else 's'})" if count else ""
