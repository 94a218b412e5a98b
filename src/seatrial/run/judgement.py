"""What may be said of a trial as soon as it has ended, for who watches a run."""

from __future__ import annotations

from pathlib import Path

from seatrial.analysis.reasons import Validity
from seatrial.analysis.run.summary import validity_of
from seatrial.errors import SeatrialError
from seatrial.record.reader import RunReader


def recorded_validity(directory: Path, trial: int) -> Validity | None:
    """Return whether a trial of a run that goes on may be believed; None where that cannot be read."""
    try:
        with RunReader.open(directory) as reader:
            return validity_of(reader, trial)
    except SeatrialError:
        # Who watches takes nothing from the run: its end says what is wrong with the record.
        return None
