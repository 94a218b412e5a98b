"""Entries in the journal of a run beside its writer: also of one that is being written, and of one that is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.record.amend import amend
from seatrial.record.writer import utc_now

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.record.events import Author


def add_note(run: Path, text: str, author: Author = "person") -> None:
    """Add ``text`` to the journal of ``run``; raise ``RecordError`` or ``StorageFault`` where that cannot be."""
    amend(run, "INSERT INTO journal (at_utc, author, text) VALUES (?, ?, ?)", utc_now(), author, text)
