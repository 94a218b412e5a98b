"""The changes of a run that is over: which were never put back, and noting that they now are."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from seatrial.errors import RecordError
from seatrial.record.reader import RunReader
from seatrial.record.schema import configure
from seatrial.record.writer import utc_now

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.record.rows import Change


def open_changes(run: Path) -> tuple[Change, ...]:
    """Return what the run changed and did not put back; raise ``RecordError`` where it cannot be read."""
    with RunReader.open(run) as reader:
        return tuple(change for change in reader.changes() if change.undone_utc is None)


def mark_undone(run: Path, change_id: int) -> None:
    """Note that a change has been put back after all; raise ``RecordError`` where that cannot be."""
    with RunReader.open(run) as reader:
        database = reader.directory.database
    try:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            configure(connection)
            connection.execute("UPDATE changes SET undone_utc = ? WHERE id = ?", (utc_now(), change_id))
    except sqlite3.DatabaseError as error:
        raise RecordError(
            f"cannot write into {database}", cause=str(error), next_step="check who owns it"
        ) from error
