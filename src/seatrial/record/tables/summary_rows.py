"""Summaries of trials, kept beside what they were made from, and what tells whether they still stand for it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from seatrial.record.tables.event_rows import Row

TABLE = "summaries"

# What a person or the program wrote beside the trials changes no summary of one.
_NOTHING_OF = ("journal", TABLE)
_NUMBERS = ("id", "trial")


def rows_of_trial(columns: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return a statement for each table with rows of a trial, given every table's columns: what a summary is made from.

    Each takes the trial's number, and leaves out the numbers of rows: nothing is made from them, and what reading takes
    is for values.
    """
    found = (_statement(table, names) for table, names in sorted(columns.items()) if table not in _NOTHING_OF)
    return tuple(statement for statement in found if statement)


def _statement(table: str, names: Sequence[str]) -> str | None:
    values = ", ".join(f"own.{name}" for name in names if name not in _NUMBERS)
    if table == "trials":
        return f"SELECT {values} FROM {table} own WHERE id = ?"
    if table == "cases":
        return f"SELECT {values} FROM {table} own WHERE id = (SELECT case_id FROM trials WHERE id = ?)"
    if table == "capacities":
        return f"SELECT {values} FROM {table} own WHERE first_trial <= ? ORDER BY rowid"
    if "trial" in names:
        return f"SELECT {values} FROM {table} own WHERE trial = ? ORDER BY rowid"
    if "frame" in names:
        of_frames = f"frames CROSS JOIN {table} own ON own.frame = frames.id WHERE frames.trial = ?"
        return f"SELECT {values} FROM {of_frames} ORDER BY frames.id, own.rowid"
    return None


@dataclass(frozen=True, slots=True)
class KeptSummary:
    """What was made of a trial when it ended.

    ``made_by`` names the code that made it, ``made_from`` is the digest of the trial's rows as they were then.
    ``document`` is JSON, which the record does not look into.
    """

    trial: int
    made_by: str
    made_from: str
    document: str

    @property
    def seal(self) -> str:
        """The digest of itself: one that was changed on the disk is none."""
        text = f"{self.trial} {self.made_by} {self.made_from} {self.document}"
        return hashlib.sha256(text.encode()).hexdigest()


def summary_row(kept: KeptSummary) -> Row:
    """Return the statement that keeps a summary, with its values."""
    values = (kept.trial, kept.made_by, kept.made_from, kept.seal, kept.document)
    return f"INSERT OR REPLACE INTO {TABLE} VALUES (?, ?, ?, ?, ?)", values


def kept_summary(row: sqlite3.Row) -> KeptSummary:
    """Return what a row of the table holds; raises ``ValueError`` where that is not what was written."""
    kept = KeptSummary(row["trial"], row["made_by"], row["made_from"], row["document"])
    if kept.seal != row["seal"]:
        raise ValueError("the summary that was kept is not what was written; it is made again")
    return kept
