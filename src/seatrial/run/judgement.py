"""What may be said of a trial as soon as it has ended, for who watches a run and for what follows."""

from __future__ import annotations

from pathlib import Path

from seatrial.analysis.load.result import LoadResult
from seatrial.analysis.reasons import Reason, Validity
from seatrial.analysis.run.summary import outcome_of
from seatrial.errors import SeatrialError
from seatrial.record.reader import RunReader


def recorded_outcome(directory: Path, trial: int) -> tuple[LoadResult | None, Validity] | None:
    """Return what a trial of a run that goes on gave, and whether it may be believed; None where it cannot be read."""
    try:
        with RunReader.open(directory) as reader:
            return outcome_of(reader, trial)
    except SeatrialError:
        # Who watches takes nothing from the run: its end says what is wrong with the record.
        return None


def validity_of(reader: RunReader, trial: int) -> Validity:
    """Return whether a trial that has ended may be believed; one that cannot be read back may not."""
    outcome = outcome_of(reader, trial)
    return UNREADABLE if outcome is None else outcome[1]


UNREADABLE = Validity(
    (Reason("environment.record", "the trial cannot be read back", "keep records on a disk that works"),)
)
