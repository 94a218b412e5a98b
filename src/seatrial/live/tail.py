"""A record as events: what it holds, and then what is written into it, for a view that is no part of the run.

Nothing is held back for who reads: the record is on disk, and is read from where the last look ended. So a view that is
slow, or begins late, or begins again, loses nothing, and the run does not notice it.
"""

from __future__ import annotations

import base64
import heapq
import json
import math
import zlib
from operator import itemgetter
from typing import TYPE_CHECKING, Self

from seatrial.record import events
from seatrial.record.facts import TrialCounts, TrialFacts
from seatrial.record.fetch import UNREADABLE, Rows
from seatrial.record.reader import RunReader
from seatrial.record.tables import event_of_row as of_row
from seatrial.record.tables.frame_rows import join_frame
from seatrial.record.tables.load_rows import account_of
from seatrial.record.tables.trial_rows import counts_of, disturbance_of, facts_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Timed = tuple[float, events.Event]

NANOSECONDS = 1_000_000_000
HISTOGRAM_HEAD_BYTES = 8
"""Of a V2 histogram: a cookie and a length. The rest is a zlib stream, which ends with a checksum."""
AT_ONCE = 500
"""Frames that are decoded at a time: those of an hour, with their histograms, are 100 MB."""


class RunTail:
    """Follows one run directory. Use as a context manager; raises ``RecordError`` where there is none."""

    def __init__(self, path: Path) -> None:
        self._reader = RunReader.open(path)
        self._rows = Rows(self._reader.directory.database)
        self._begun = self._is_over = False
        self._last_trial = self._last_note = 0
        self._open: list[_TrialTail] = []

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the file."""
        self._rows.close()
        self._reader.close()

    @property
    def reader(self) -> RunReader:
        """The record, to be asked for what is no event: its cases, its plan, what was made of a trial."""
        return self._reader

    def new(self) -> Iterator[events.Event]:
        """Yield what was recorded since the last call, trial by trial, each by the times of what happened.

        Of a record that is damaged, what can be read. A run that was cut off has no ``RunEnded``: see ``reader.run()``.
        """
        # Read before all else: who has written its end has written everything before.
        run = self._reader.run()
        unfinished = run.state in {"running", "cut off"}
        if run.trials is None:
            return
        if not self._begun or (self._is_over and unfinished):
            self._begun, self._is_over = True, False
            yield events.RunStarted(run.run_id, run.name, run.trials)
        for row in self._rows.read(_as_it_is, "trials", "WHERE id > ? ORDER BY id", self._last_trial):
            yield from self._of_open()
            self._last_trial = row["id"]
            self._open.append(_TrialTail(self._rows, row["id"], row["started_s"]))
            yield of_row.trial_started(row, run.trials or 0)
        yield from self._of_open()
        for row in self._rows.read(_as_it_is, "journal", "WHERE id > ? ORDER BY id", self._last_note):
            self._last_note = row["id"]
            yield of_row.noted(row)
        if run.state == "running" or run.state == "cut off" or self._is_over:  # noqa: PLR1714 - mypy narrows these
            return
        # It may be gone on with.
        self._is_over = True
        yield events.RunEnded(run.state)

    def _of_open(self) -> Iterator[events.Event]:
        for trial in self._open:
            yield from trial.new()
        self._open = [trial for trial in self._open if not trial.is_over]


class _TrialTail:
    """Follows the rows of one trial until it is over."""

    def __init__(self, rows: Rows, trial: int, started_s: float) -> None:
        self.is_over = False
        self._rows = rows
        self._trial = trial
        self._last_s = started_s
        self._last = dict.fromkeys((*of_row.OF_TRIAL, "frames"), 0)
        self._has_load = self._has_load_ended = False
        self._undisturbed: set[int] = set()

    def new(self) -> Iterator[events.Event]:
        """Yield what is new of it."""
        # Read first, for the reason above.
        (row,) = self._rows.read(_as_it_is, "trials", "WHERE id = ?", self._trial)
        streams = [self._new_in(table) for table in of_row.OF_TRIAL]
        streams += [self._frames(), iter(self._of_load()), iter(self._disturbances_ended())]
        for at_s, event in heapq.merge(*streams, key=itemgetter(0)):
            self._last_s = max(self._last_s, at_s)
            yield event
        if row["state"] is not None:
            self.is_over = True
            yield self._ended(row)

    def _new_in(self, table: str) -> Iterator[Timed]:
        rest = "WHERE trial = ? AND id > ? ORDER BY id"
        for row in self._rows.read(_as_it_is, table, rest, self._trial, self._last[table], trial=self._trial):
            self._last[table] = row["id"]
            try:
                yield of_row.OF_TRIAL[table](row)
            except UNREADABLE as error:
                self._rows.note(table, row["id"], error, self._trial)

    def _frames(self) -> Iterator[Timed]:
        rest = f"WHERE trial = ? AND id > ? ORDER BY id LIMIT {AT_ONCE}"
        while rows := self._rows.read(_as_it_is, "frames", rest, self._trial, self._last["frames"]):
            histograms = self._histograms(rows[0]["id"], rows[-1]["id"])
            self._last["frames"] = rows[-1]["id"]
            for row in rows:
                try:
                    frame = join_frame(row["counters"], histograms.get(row["id"], ()))
                except UNREADABLE as error:
                    self._rows.note("frames", row["id"], error, self._trial)
                    continue
                yield frame.end_ns / NANOSECONDS, events.FrameRecorded(self._trial, frame)

    def _histograms(self, first: int, last: int) -> dict[int, list[tuple[str, str, str]]]:
        found: dict[int, list[tuple[str, str, str]]] = {}
        rest = "WHERE frame BETWEEN ? AND ?"
        for row in self._rows.read(_whole, "frame_histograms", rest, first, last, trial=self._trial):
            encoded = base64.b64encode(row["data"]).decode("ascii")
            found.setdefault(row["frame"], []).append((row["phase"], row["kind"], encoded))
        return found

    def _of_load(self) -> list[Timed]:
        found: list[Timed] = []
        if self._has_load_ended:
            return found
        for account in self._rows.read(account_of, "loads", "WHERE trial = ?", self._trial):
            if not self._has_load:
                self._has_load = True
                found.append((self._last_s, events.LoadStarted(self._trial, account.asked, account.hellos)))
            if account.driven is not None:
                self._has_load_ended = True
                found.append((math.inf, events.LoadEnded(self._trial, account.driven, account.cost)))
        return found

    def _disturbances_ended(self) -> list[Timed]:
        found: list[Timed] = []
        rest = "WHERE trial = ? AND ended_s IS NOT NULL ORDER BY number"
        for one in self._rows.read(disturbance_of, "disturbances", rest, self._trial):
            if one.number not in self._undisturbed and one.ended_s is not None:
                self._undisturbed.add(one.number)
                end = events.DisturbanceEnded(self._trial, one.number, one.ended_s, one.asked)
                found.append((one.ended_s, end))
        return found

    def _ended(self, row: sqlite3.Row) -> events.TrialEnded:
        counts = dict(self._rows.read(counts_of, "counts", "WHERE trial = ?", self._trial))
        facts = self._rows.read(_facts, "trials", "WHERE id = ?", self._trial, trial=self._trial)
        reasons = self._rows.read(_reasons, "trials", "WHERE id = ?", self._trial, trial=self._trial)
        return events.TrialEnded(
            trial=self._trial,
            state=row["state"],
            # One that was cut off has no time of its end.
            at_s=self._last_s if row["ended_s"] is None else row["ended_s"],
            counts=counts.get(self._trial, TrialCounts()),
            facts=facts[0] if facts else facts_of({}),
            reasons=reasons[0] if reasons else (),
            failure=row["failure"],
        )


def _as_it_is(row: sqlite3.Row) -> sqlite3.Row:
    return row


def _whole(row: sqlite3.Row) -> sqlite3.Row:
    """Return the row of a histogram, if its checksum holds: whoever takes the frame decodes it without looking."""
    # One without samples is nothing at all.
    if not row["data"]:
        return row
    try:
        zlib.decompress(row["data"][HISTOGRAM_HEAD_BYTES:])
    except zlib.error as error:
        raise ValueError(str(error)) from error
    return row


def _facts(row: sqlite3.Row) -> TrialFacts:
    return facts_of(json.loads(row["facts"] or "{}"))


def _reasons(row: sqlite3.Row) -> tuple[Mapping[str, str], ...]:
    return tuple(json.loads(row["reasons"] or "[]"))
