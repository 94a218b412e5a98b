"""The run itself and what it changed on its machine, from their rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from seatrial.preflight.capacity import Capacity
from seatrial.record.tables.rows import Change, RunInfo, RunState

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping


def run_of(row: sqlite3.Row, unfinished: RunState) -> RunInfo:
    """Return the run; its state is ``unfinished`` where it has not ended."""
    return RunInfo(
        run_id=row["run_id"],
        name=row["name"],
        version=row["version"],
        started_utc=row["started_utc"],
        started_s=row["started_s"],
        ended_utc=row["ended_utc"],
        trials=row["trials"],
        state=row["state"] or unfinished,
    )


def change_of(row: sqlite3.Row) -> Change:
    """Return one change; raise ``TypeError`` where what is known of it is not what was written."""
    detail = mapping_of(row["detail"])
    if row["kind"] == "process" and not isinstance(detail["name"], str):
        raise TypeError("the process has no name")
    return Change(row["id"], row["at_utc"], row["kind"], detail, row["undone_utc"])


def capacity_of(row: sqlite3.Row) -> Capacity:
    """Return what was measured of one way of the network."""
    return Capacity.from_document(mapping_of(row["document"]))


def mapping_of(text: str) -> Mapping[str, Any]:
    """Return a JSON object; raise ``ValueError`` or ``TypeError`` where it is none."""
    document = json.loads(text)
    if not isinstance(document, dict):
        raise TypeError(f"{text[:40]!r} is no JSON object")
    return document
