"""Entries in the journal of a run beside its writer: also of one that is being written, and of one that is over."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from seatrial.errors import SeatrialError
from seatrial.record.amend import amend
from seatrial.record.writer import utc_now

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.record.events import Author


def add_note(run: Path, text: str, author: Author = "person") -> None:
    """Add ``text`` to the journal of ``run``; raise ``RecordError`` or ``StorageFault`` where that cannot be."""
    amend(run, "INSERT INTO journal (at_utc, author, text) VALUES (?, ?, ?)", utc_now(), author, text)


def try_note(run: Path, text: str) -> None:
    """Add an entry of the program's own; where that cannot be, it is not worth a run."""
    with suppress(SeatrialError):
        add_note(run, text, "seatrial")
