"""Entries in the journal of a run from beside it: also of one that is being written, and of one that is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.errors import printable
from seatrial.record.amend import amend
from seatrial.record.writer import utc_now

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.record.events import Author


def add_note(run: Path, text: str) -> None:
    """Add a person's ``text`` to the journal of a run; raise ``RecordError`` or ``StorageFault`` where it cannot be."""
    _add(run, "person", text)


def add_remark(run: Path, text: str) -> None:
    """Add what the program has to say to the journal of ``run``, from a process that does not write the record."""
    _add(run, "seatrial", text)


def _add(run: Path, author: Author, text: str) -> None:
    statement = "INSERT INTO journal (at_utc, author, text) VALUES (?, ?, ?)"
    amend(run, statement, utc_now(), author, printable(text))
