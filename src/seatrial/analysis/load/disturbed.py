"""A load whose system was disturbed: what came before anything was done, and of each disturbance a window of its own.

Frames are put into the windows whole. A frame is of the last disturbance that began before the frame ended, so that a
window begins with the step of the time series in which its disturbance did, and reaches to the next one or, with the
drain, to the end of the load. Each request of the measure window is in one of them, in which it was accounted for.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seatrial.analysis.load.histograms import merge
from seatrial.analysis.load.result import LoadResult
from seatrial.analysis.load.summarise import summarise
from seatrial.analysis.load.window import EDGE_NS, NANOSECONDS, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.analysis.load.histograms import Merge
    from seatrial.generator.account import LoadAccount
    from seatrial.generator.frames import Frame
    from seatrial.record.tables.rows import RecordedDisturbance


@dataclass(frozen=True, slots=True)
class DisturbedWindow:
    """One disturbance and what came of it; seconds count from the start of the measure window.

    ``took_s`` is None where it was not done, ``load`` where it has no window of its own, since the next began in the
    same step. ``held_lost`` is how many idle connections the other side ended.
    """

    number: int
    words: str
    at_s: float
    took_s: float | None
    start_s: float
    end_s: float
    held_lost: int
    load: LoadResult | None


@dataclass(frozen=True, slots=True)
class DisturbedLoad:
    """What came before and after; ``steady`` is the load until the first disturbance, ``calm`` that time.

    ``steady`` is None where the first was at the very start.
    """

    steady: LoadResult | None
    calm: Window
    windows: tuple[DisturbedWindow, ...]


def disturbed(
    account: LoadAccount,
    frames: Sequence[Frame],
    window: Window,
    disturbances: Sequence[RecordedDisturbance],
    merge: Merge = merge,
) -> DisturbedLoad:
    """Return the parts of a load with one disturbance at least; ``window`` is its measure window."""
    parts = _parted(frames, window, [round(one.started_s * NANOSECONDS) for one in disturbances])
    # What the drain adds to the last part belongs to it, and its time does not.
    starts = _starts(parts, window)
    bounds = [*starts[1:], window.end_ns]
    summaries = [
        _summary(account, part, Window(start, max(start, end)), merge) if part else None
        for part, start, end in zip(parts, starts, bounds, strict=True)
    ]
    windows = (
        _window(one, load, part, (start, end), window)
        for one, load, part, start, end in zip(
            disturbances, summaries[1:], parts[1:], starts[1:], bounds[1:], strict=True
        )
    )
    return DisturbedLoad(
        summaries[0], Window(window.start_ns, max(window.start_ns, bounds[0])), tuple(windows)
    )


def _parted(frames: Sequence[Frame], window: Window, began_ns: Sequence[int]) -> list[list[Frame]]:
    """Return the frames of the measure window and the drain: those before anything was done, and those of each."""
    parts: list[list[Frame]] = [[] for _ in range(len(began_ns) + 1)]
    for frame in frames:
        edge_ns = min(EDGE_NS, (frame.end_ns - frame.start_ns) // 4)
        if frame.end_ns > window.start_ns + edge_ns:
            parts[bisect_left(began_ns, frame.end_ns - edge_ns)].append(frame)
    return parts


def _starts(parts: Sequence[Sequence[Frame]], window: Window) -> list[int]:
    """Return when each part began; one without frames was over at once."""
    starts = [window.end_ns]
    for part in reversed(parts):
        earliest_ns = min((frame.start_ns for frame in part), default=starts[0])
        starts.insert(0, min(starts[0], max(window.start_ns, earliest_ns)))
    return starts[:-1]


def _summary(account: LoadAccount, frames: Sequence[Frame], window: Window, merge: Merge) -> LoadResult:
    # As of a load that was cut: what its workers said at their ends is of the whole.
    return summarise(replace(account, driven=None), frames, window, merge)


def _window(
    one: RecordedDisturbance,
    load: LoadResult | None,
    frames: Sequence[Frame],
    bounds: tuple[int, int],
    window: Window,
) -> DisturbedWindow:
    def since(at_ns: int) -> float:
        return round((at_ns - window.start_ns) / NANOSECONDS, 3)

    return DisturbedWindow(
        number=one.number,
        words=one.words,
        at_s=since(round(one.started_s * NANOSECONDS)),
        took_s=None if one.ended_s is None else round(one.ended_s - one.started_s, 3),
        start_s=since(bounds[0]),
        end_s=since(bounds[1]),
        held_lost=sum(frame.held_lost for frame in frames),
        load=load,
    )
