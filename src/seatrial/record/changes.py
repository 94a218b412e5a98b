"""The changes of a run that is over: which were never put back, how each kind is, and noting that they now are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from seatrial.machine import undoers
from seatrial.record.amend import amend
from seatrial.record.reader import RunReader
from seatrial.record.writer import utc_now

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from seatrial.machine.undoers import Undoer, Undone
    from seatrial.record.tables.rows import Change, Damage


def open_changes(run: Path) -> tuple[tuple[Change, ...], tuple[Damage, ...]]:
    """Return what the run changed and did not put back, and what of that cannot be read; whichever version wrote it.

    Raises ``RecordError`` where the record cannot be read at all.
    """
    with RunReader.open(run, any_version=True) as reader:
        found = tuple(change for change in reader.changes() if change.undone_utc is None)
        return found, reader.damage


def note_change(run: Path, kind: str, detail: Mapping[str, Any]) -> int:
    """Write a change down into the record of a run, beside its writer or after it; return its id.

    Raises as ``mark_undone`` does.
    """
    statement = "INSERT INTO changes (at_utc, kind, detail) VALUES (?, ?, ?)"
    return amend(run, statement, utc_now(), kind, json.dumps(dict(detail)))


def mark_undone(run: Path, change_id: int) -> None:
    """Note that a change has been put back; raise ``RecordError`` or ``StorageFault`` where that cannot be."""
    amend(run, "UPDATE changes SET undone_utc = ? WHERE id = ?", utc_now(), change_id)


def _remove_objects(detail: Mapping[str, Any], run: Path) -> Undone:
    # What speaks to clusters takes a while to import, and few runs have any.
    from seatrial.cluster.owned import undo_objects

    return undo_objects(detail, run)


UNDOERS: Mapping[str, Undoer] = {**undoers.UNDOERS, "objects": _remove_objects}
"""How each kind of change is put back, on this machine and on clusters: to add one is a line here, or in there."""
