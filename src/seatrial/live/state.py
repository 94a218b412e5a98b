"""What a view knows of a run, put together from its events."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial._engine import Histogram
from seatrial.record import events
from seatrial.units import format_us

if TYPE_CHECKING:
    from seatrial.generator.frames import Frame

NANOSECONDS = 1_000_000_000


@dataclass(slots=True)
class LiveState:
    """The trial and phase of now, the last interval of each worker, and the failures since the trial began."""

    trial: events.TrialStarted | None = None
    phase: events.PhaseStarted | None = None
    frames: dict[int, Frame] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    first_s: float | None = None

    def take(self, event: events.Event) -> str | None:
        """Take one event; return a line to keep for those that mark the course of the run."""
        if isinstance(event, events.FrameRecorded):
            self.frames[event.frame.worker] = event.frame
            self.errors.update(event.frame.errors)
            return None
        if isinstance(event, events.TrialStarted):
            self.trial, self.phase = event, None
            self.first_s = event.at_s if self.first_s is None else self.first_s
            self.frames.clear()
            self.errors.clear()
            return f"trial {event.order} of {event.of}: {event.case_id}, repeat {event.repeat}"
        if isinstance(event, events.PhaseStarted):
            self.phase = event
            return f"  {event.phase}{_expected(event)}"
        return _closing_line(event)

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


def _closing_line(event: events.Event) -> str | None:
    if isinstance(event, events.TrialEnded) and event.state != events.COMPLETED:
        return f"  trial {event.trial} {event.state}"
    if isinstance(event, events.Noted):
        return f"  note by {event.author}: {event.text}"
    if isinstance(event, events.RunEnded):
        return f"run {event.state}"
    return None
