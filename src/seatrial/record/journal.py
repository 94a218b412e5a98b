"""A person's entries in the journal of a run: also of one that is being written, and of one that is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.record.amend import amend
from seatrial.record.writer import utc_now

if TYPE_CHECKING:
    from pathlib import Path


def add_note(run: Path, text: str) -> None:
    """Add ``text`` to the journal of ``run``; raise ``RecordError`` or ``StorageFault`` where that cannot be."""
    amend(run, "INSERT INTO journal (at_utc, author, text) VALUES (?, 'person', ?)", utc_now(), text)
