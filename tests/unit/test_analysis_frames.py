"""What a record keeps of a frame."""

from __future__ import annotations

import dataclasses
import json

from tests.unit.test_document import frame, part

from seatrial.record.tables.frame_rows import join_frame, split_frame


def test_the_lowest_count_and_the_errors_of_a_phase_are_kept() -> None:
    failing = dataclasses.replace(part([100]), errors={"read_reset": 1})
    whole = frame(0, 0, failing, held_min=3, held_lost=2)
    counters, histograms = split_frame(whole)
    assert json.loads(counters)["held_min"] == 3
    assert join_frame(counters, histograms) == whole
