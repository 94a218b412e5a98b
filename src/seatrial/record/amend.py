"""Writing into a record beside its writer, or after it: a note, a change that was put back after all."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from seatrial.record.layout import RunDirectory
from seatrial.record.reader import RunReader
from seatrial.record.storage import storage_fault
from seatrial.record.tables.schema import configure, fold_log

if TYPE_CHECKING:
    from pathlib import Path


def amend(run: Path, statement: str, *values: object) -> int:
    """Execute one statement on the record of a run; return the id of the row that it inserts, if it does.

    The run's writer holds the database only for the moments of its batches, so this waits for milliseconds. Raises
    ``RecordError`` where there is no record that can be read, ``StorageFault`` where nothing can be written into it.
    """
    with RunReader.open(run) as reader:
        database = reader.directory.database
    try:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            configure(connection)
            return connection.execute(statement, values).lastrowid or 0
    except sqlite3.DatabaseError as error:
        next_step = "free some space there, see who may write it, or copy the run elsewhere"
        raise storage_fault(f"cannot write into {database}", error, run, next_step) from error


def fold(run: Path) -> None:
    """Make one plain file of a record that nobody writes any more, as its writer does where nobody reads it then."""
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(RunDirectory(run).database)) as connection:
        fold_log(connection)
