"""A person's entries in the journal of a run: also of one that is being written, and of one that is over."""

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


def add_note(run: Path, text: str) -> None:
    """Add ``text`` to the journal of ``run``; raise :class:`RecordError` where that cannot be.

    The run's writer holds the database only for the moments of its batches, so this waits for milliseconds.
    """
    with RunReader.open(run) as reader:
        database = reader.directory.database
    try:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            configure(connection)
            connection.execute(
                "INSERT INTO journal (at_utc, author, text) VALUES (?, 'person', ?)", (utc_now(), text)
            )
    except sqlite3.DatabaseError as error:
        raise RecordError(
            f"cannot write into {database}", cause=str(error), next_step="check who owns it"
        ) from error
