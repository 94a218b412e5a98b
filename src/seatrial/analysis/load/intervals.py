"""The time series of a load: frames of every worker put into the steps of the window, and the drain after it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.analysis.load.histograms import merge
from seatrial.analysis.load.result import Interval
from seatrial.analysis.load.window import EDGE_NS, NANOSECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seatrial.analysis.load.histograms import Merge
    from seatrial.analysis.load.window import Window
    from seatrial.generator.frames import Frame, PhasePart

# A window of 3 s in steps of 0.1 s has 30 of them, though the quotient of the two is a little more.
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the window, or the drain after it; ``start_s`` is from the start of the window."""

    start_s: float
    length_s: float
    drain: bool


def intervals_of(
    window: Window, interval_s: float, frames: Iterable[Frame], merge: Merge = merge
) -> tuple[Interval, ...]:
    """Return each step of the window, the last as long as the window leaves it, and what the drain held, if anything.

    A frame is of the step in which it began: frames begin where steps do, and the last one ends with the window.
    """
    held: dict[int, int] = {}
    intervals = []
    for step, own in frames_by_step(window, interval_s, frames).items():
        # A worker that had nothing to wait for has no frame in the drain, and its idle connections nevertheless.
        held = (held if step.drain else {}) | {frame.worker: frame.held for frame in own}
        intervals.append(_interval(step, own, sum(held.values()), merge))
    return tuple(intervals)


def frames_by_step(window: Window, interval_s: float, frames: Iterable[Frame]) -> dict[Step, list[Frame]]:
    """Return the frames of each step, in order; the drain is the last."""
    last = max(0, math.ceil(window.length_s / interval_s - ROUNDING) - 1)
    found: dict[int, list[Frame]] = {}
    for frame in sorted(frames, key=lambda frame: frame.seq):
        step = _step(window, interval_s, frame, last)
        if step is not None:
            found.setdefault(step, []).append(frame)
    return {_bounds(window, interval_s, step, last, found[step]): found[step] for step in sorted(found)}


def _step(window: Window, interval_s: float, frame: Frame, last: int) -> int | None:
    """Return the number of a frame's step, ``last + 1`` in the drain; None where it is of neither."""
    interval_ns = interval_s * NANOSECONDS
    edge_ns = min(EDGE_NS, interval_ns / 4)
    began_ns = frame.start_ns - window.start_ns
    if began_ns >= (window.end_ns - window.start_ns) - edge_ns:
        return last + 1 if _measured(frame) else None
    if began_ns < -edge_ns and not _measured(frame):
        return None
    return min(max(round(began_ns / interval_ns), 0), last)


def _measured(frame: Frame) -> list[PhasePart]:
    return [part for part in frame.parts if part.phase == "measure"]


def _interval(step: Step, frames: Sequence[Frame], held: int, merge: Merge) -> Interval:
    parts = [part for frame in frames for part in _measured(frame)]
    latency, lateness = merge(part.latency for part in parts), merge(part.lateness for part in parts)
    return Interval(
        start_s=step.start_s,
        length_s=step.length_s,
        drain=step.drain,
        sent=sum(part.sent for part in parts),
        completed=sum(part.completed for part in parts),
        answered=sum(part.completed_in_window for frame in frames for part in frame.parts),
        errors=sum(part.failed + part.timed_out for part in parts),
        held=held,
        latency_us={"p50": latency.quantile_us(0.5), "p99": latency.quantile_us(0.99), "max": latency.max_us},
        lateness_us={"p99": lateness.quantile_us(0.99), "max": lateness.max_us},
    )


def _bounds(window: Window, interval_s: float, step: int, last: int, frames: Sequence[Frame]) -> Step:
    is_drain = step > last
    start_s = window.length_s if is_drain else step * interval_s
    end_s = min(window.length_s, start_s + interval_s)
    if is_drain:
        end_s = (max(frame.end_ns for frame in frames) - window.start_ns) / NANOSECONDS
    return Step(round(start_s, 6), round(max(0.0, end_s - start_s), 6), is_drain)
