"""Summaries that a record keeps of its trials, held against what is made of the same trials from their frames."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from seatrial.analysis.run.kept import kept_trials, made_to_keep
from seatrial.analysis.run.trials import made_trial
from seatrial.record.amend import amend
from seatrial.record.reader import RunReader
from seatrial.record.tables.summary_rows import TABLE, summary_row


def keep_all(run: Path) -> set[int]:
    """Keep the summary of every trial that can be kept, as the run does when each has ended; return which those are."""
    with RunReader.open(run) as reader:
        cases = {case.id: case for case in reader.cases()}
        found = [made_to_keep(reader, cases[trial.case_id], trial)[1] for trial in reader.trials()]
    kept = [one for one in found if one is not None]
    with closing(sqlite3.connect(run / "record.db")) as connection, connection:
        for one in kept:
            connection.execute(*summary_row(one))
    return {one.trial for one in kept}


def forget(run: Path) -> None:
    """Let the record keep nothing, so that everything is made from the frames."""
    amend(run, f"DELETE FROM {TABLE}")


def answered_from_kept(run: Path, first: int | None = None) -> set[int]:
    """Return the trials of which what was kept is believed, among the ``first`` so many or all."""
    with RunReader.open(run) as reader:
        return set(kept_trials(reader, reader.trials()[:first]))


def assert_kept_as_made(run: Path, trials: set[int]) -> None:
    """Fail unless these trials are kept and believed, and hold to the last digit what their frames give."""
    with RunReader.open(run) as reader:
        cases = {case.id: case for case in reader.cases()}
        kept = kept_trials(reader, reader.trials())
        assert set(kept) == trials
        for trial in reader.trials():
            if trial.trial in kept:
                made = made_trial(reader, cases[trial.case_id], trial)
                assert repr(kept[trial.trial]) == repr(made)
