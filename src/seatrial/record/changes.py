"""The changes of a run that is over: which were never put back, and noting that they now are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.record.amend import amend
from seatrial.record.reader import RunReader
from seatrial.record.writer import utc_now

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.record.tables.rows import Change, Damage


def open_changes(run: Path) -> tuple[tuple[Change, ...], tuple[Damage, ...]]:
    """Return what the run changed and did not put back, and what of that cannot be read; whichever version wrote it.

    Raises ``RecordError`` where the record cannot be read at all.
    """
    with RunReader.open(run, any_version=True) as reader:
        found = tuple(change for change in reader.changes() if change.undone_utc is None)
        return found, reader.damage


def mark_undone(run: Path, change_id: int) -> None:
    """Note that a change has been put back; raise ``RecordError`` or ``StorageFault`` where that cannot be."""
    amend(run, "UPDATE changes SET undone_utc = ? WHERE id = ?", utc_now(), change_id)
