"""The load of a trial that was cut before it could say what it gave, made from the frames that it left."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from seatrial.analysis.load.facts import LoadFacts
from seatrial.analysis.load.summarise import summarise
from seatrial.analysis.load.window import NANOSECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.analysis.load.result import LoadResult
    from seatrial.analysis.load.window import Window
    from seatrial.generator.frames import Frame
    from seatrial.record.tables.rows import RecordedCase

MICROSECONDS = 1_000_000
# What only the worker's own report holds; a trial that was cut has none.
UNKNOWN = "unknown"


def load_from_frames(case: RecordedCase, window: Window | None, frames: Sequence[Frame]) -> LoadResult | None:
    """Return what the frames hold of the measure phase; None where it never began.

    The window ends where the frames do. The grid of the schedule is what the plan asked for, if it said.
    """
    measuring = [frame for frame in frames if any(part.phase == "measure" for part in frame.parts)]
    if window is None or not measuring:
        return None
    load = case.document["load"]
    resolution = load.get("resolution")
    end_ns = min(window.end_ns, max(frame.end_ns for frame in measuring))
    facts = LoadFacts(
        url=UNKNOWN,
        loop=case.loop,
        arrival=case.arrival,
        driver=UNKNOWN,
        resolution_us=round(resolution * MICROSECONDS) if isinstance(resolution, float) else 0,
        timestamps="program",
        seed=0,
        rate_requested_per_s=case.rate_per_s,
        active_requested=case.active,
        held_requested=case.held,
        window_start_ns=window.start_ns,
        measured_s=max(0.0, (end_ns - window.start_ns) / NANOSECONDS),
        interval_s=median(frame.end_ns - frame.start_ns for frame in measuring) / NANOSECONDS,
        processes=len({frame.worker for frame in frames}),
        status_expected=tuple(load.get("expect_status", ())),
    )
    return summarise(facts, frames)
