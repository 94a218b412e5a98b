"""What may be said of a trial as soon as it has ended, for who watches a run and for what follows."""

from __future__ import annotations

from pathlib import Path

from seatrial.analysis.load.result import LoadResult
from seatrial.analysis.reasons import Reason, Validity
from seatrial.analysis.run.kept import kept_trials, made_to_keep
from seatrial.analysis.run.summary import ended_trial, outcome_of
from seatrial.analysis.run.trials import made_trial
from seatrial.errors import SeatrialError
from seatrial.record.reader import RunReader
from seatrial.record.writer import RunWriter


def recorded_outcome(directory: Path, trial: int) -> tuple[LoadResult | None, Validity] | None:
    """Return what a trial of a run that goes on gave, and whether it may be believed; None where it cannot be read."""
    try:
        with RunReader.open(directory) as reader:
            return outcome_of(reader, trial)
    except SeatrialError:
        # Who watches takes nothing from the run: its end says what is wrong with the record.
        return None


def validity_of(reader: RunReader, number: int) -> Validity:
    """Return whether a trial that has ended may be believed; one that cannot be read back may not."""
    ended = ended_trial(reader, number)
    if ended is None:
        return UNREADABLE
    case, trial = ended
    made = kept_trials(reader, [trial]).get(number) or made_trial(reader, case, trial)
    return made.summary.validity


def judged_and_kept(writer: RunWriter, number: int) -> Validity:
    """Return whether a trial that has just ended may be believed, and keep its summary for the reports."""
    with RunReader.open(writer.path) as reader:
        ended = ended_trial(reader, number)
        if ended is None:
            return UNREADABLE
        made, kept = made_to_keep(reader, *ended)
    if kept is not None:
        writer.keep_summary(kept)
    return made.summary.validity


UNREADABLE = Validity(
    (Reason("environment.record", "the trial cannot be read back", "keep records on a disk that works"),)
)
