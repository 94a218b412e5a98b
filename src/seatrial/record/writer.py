"""The one writer of a run: events in, rows out, listeners called.

Rows are kept in memory for at most :data:`BATCH_LIMIT_S` and written in one short transaction, so that the
database is never locked for longer than a batch takes and a run may be cut at any moment: what is lost is the
last second.

A disk that is full or broken ends the record, not the program: the first failure is kept as ``fault``, whoever asked
for it is called, and what comes afterwards is dropped, so that the run can put everything back.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from seatrial._version import __version__
from seatrial.errors import RecordError, SeatrialError, StorageFault
from seatrial.record.events import (
    CUT_OFF,
    Event,
    FrameRecorded,
    Noted,
    RunEnded,
    RunStarted,
    TrialEnded,
    TrialStarted,
)
from seatrial.record.histograms.files import HistogramFiles
from seatrial.record.layout import RunDirectory, make_directory
from seatrial.record.lock import RunLock
from seatrial.record.storage import is_locked, is_of_storage, storage_fault
from seatrial.record.tables.event_rows import case_rows, rows_of
from seatrial.record.tables.schema import fold_log, lay_out, set_up
from seatrial.record.tables.summary_rows import summary_row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from seatrial.record.tables.event_rows import Row
    from seatrial.record.tables.summary_rows import KeptSummary

# The promise is one second; half of it leaves room for a slow disk.
BATCH_LIMIT_S = 0.5

# These mark the course of the run; a reader should see them at once.
_WRITTEN_AT_ONCE = (RunStarted, TrialStarted, TrialEnded, Noted, RunEnded)


class RunWriter:
    """Writes one run directory. Safe to call from several threads; use :meth:`create` or :meth:`reopen`."""

    def __init__(self, directory: RunDirectory, begin: Callable[[sqlite3.Connection], None]) -> None:
        self.directory = directory
        self.fault: StorageFault | None = None
        self._on_fault: Callable[[], object] = lambda: None
        self._lock = threading.Lock()
        self._run_lock = RunLock(directory.path)
        self._connection = sqlite3.connect(directory.database, isolation_level=None, check_same_thread=False)
        self._pending: list[Row] = []
        self._listeners: list[Callable[[Event], None]] = []
        try:
            begin(self._connection)
            # Frames are numbered here, for their histograms to name them.
            self._frames_written = _last_frame(self._connection)
        except BaseException:
            self._connection.close()
            self._run_lock.release()
            raise
        # When monotonic zero was, for as long as this process lives: a boot sets the clock back to it.
        self._files = HistogramFiles(directory.histograms, time.time() - time.monotonic())
        self._stopped = threading.Event()
        self._flusher = threading.Thread(target=self._flush_until_stopped, name="record", daemon=True)
        self._flusher.start()

    @classmethod
    def create(cls, parent: Path, plan_name: str, plan_text: str, compiled_json: str) -> Self:
        """Make a run directory under ``parent`` and start its record.

        ``compiled_json`` is :func:`seatrial.plan.shown.compiled.compiled_document` as JSON. Raises ``RecordError``
        where it may not be there, ``StorageFault`` where the disk does not take it; nothing is left of it then.
        """
        directory = make_directory(parent, plan_name)
        try:
            # As given, to the byte: text mode would put other line ends into it.
            directory.plan.write_bytes(plan_text.encode())
            writer = cls(directory, lambda connection: _lay_out_run(connection, directory, plan_name))
        except (OSError, sqlite3.Error) as error:
            shutil.rmtree(directory.path, ignore_errors=True)
            if is_of_storage(error):
                raise storage_fault(f"cannot make a record under {parent}", error, parent) from error
            raise
        writer._begin(plan_text, compiled_json)
        return writer

    @classmethod
    def reopen(cls, path: Path, begun: int) -> Self:
        """Go on with the record of a run that was cut off, of which ``begun`` trials are known.

        What was cut off is marked so; nothing else of it changes. Raises ``RecordError`` where another process writes
        it or has gone on with it meanwhile, ``StorageFault`` where nothing can be written there.
        """
        try:
            return cls(RunDirectory(path), lambda connection: _go_on(connection, path, begun))
        except (OSError, sqlite3.Error) as error:
            if is_of_storage(error):
                next_step = "copy the run to a place that can be written, and go on with it there"
                raise storage_fault(f"cannot go on with {path}", error, path, next_step) from error
            raise

    def _begin(self, plan_text: str, compiled_json: str) -> None:
        self._write_now(("INSERT INTO plan VALUES (1, ?, ?)", (plan_text, compiled_json)))
        for row in case_rows(json.loads(compiled_json)):
            self._write_now(row)
        if self.fault is not None:
            self.close()
            shutil.rmtree(self.path, ignore_errors=True)
            raise self.fault

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory.path

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Have ``listener`` called with each event after it was taken. Listeners can change nothing."""
        self._listeners.append(listener)

    def on_fault(self, called: Callable[[], object]) -> None:
        """Have ``called`` called once, from whichever thread, when the record cannot be written any more."""
        self._on_fault = called

    def append(self, event: Event) -> None:
        """Take one event: written within a second, or at once where it marks the course of the run."""
        with self._lock:
            self._guarded(lambda: self._take(event))
            if isinstance(event, _WRITTEN_AT_ONCE):
                self._guarded(self._flush)
        for listener in (*self._listeners,):
            try:
                listener(event)
            except (OSError, SeatrialError):
                # A view whose terminal has gone, or that cannot read what it shows, costs nobody a trial.
                self._listeners.remove(listener)

    def environment(self, document: Mapping[str, Any], first_trial: int = 1) -> None:
        """Keep a description of the environment of this trial and those that follow; earlier ones stay."""
        statement = "INSERT INTO environment (first_trial, at_utc, document) VALUES (?, ?, ?)"
        self._write_now((statement, (first_trial, utc_now(), json.dumps(document))))

    def keep_summary(self, kept: KeptSummary) -> None:
        """Keep what was made of a trial that has ended, in place of what was kept of it before."""
        self._write_now(summary_row(kept))

    def will_start(self, kind: str, detail: Mapping[str, Any]) -> int:
        """Write down a change before it is made; return its id. It is on disk when this returns.

        Raises ``StorageFault`` where that cannot be: what is not written down may not be made.
        """
        values = utc_now(), kind, json.dumps(dict(detail), default=str)
        ids: list[int | None] = []

        def write() -> None:
            self._flush()
            statement = "INSERT INTO changes (at_utc, kind, detail) VALUES (?, ?, ?)"
            ids.append(self._connection.execute(statement, values).lastrowid)

        with self._lock:
            self._guarded(write)
        if self.fault is not None:
            raise self.fault
        return int(ids[0] or 0)

    def undone(self, change_id: int) -> None:
        """Write down that a change was put back."""
        self._write_now(("UPDATE changes SET undone_utc = ? WHERE id = ?", (utc_now(), change_id)))

    def close(self) -> None:
        """Write what is pending and let go of the directory; safe to call twice."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        self._flusher.join()
        with self._lock:
            self._guarded(self._flush)
            # Whatever the disk says to that, descriptors are let go of.
            self._guarded(self._files.close)
            fold_log(self._connection)
            self._connection.close()
            self._run_lock.release()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _take(self, event: Event) -> None:
        if isinstance(event, FrameRecorded):
            self._frames_written += 1
        self._files.take(event)
        self._pending.extend(rows_of(event, self._frames_written, utc_now()))

    def _write_now(self, row: Row) -> None:
        with self._lock:
            self._pending.append(row)
            self._guarded(self._flush)

    def _flush(self) -> None:
        if not self._pending:
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            # Somebody holds the database for longer than a note takes to write; the rows can wait.
            if is_locked(error) and not self._stopped.is_set():
                return
            raise
        for statement, values in self._pending:
            self._connection.execute(statement, values)
        self._connection.execute("COMMIT")
        self._pending.clear()
        self._files.flush()

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do what writes; the first failure of the disk is kept, and nothing is written after it."""
        if self.fault is not None:
            return
        try:
            work()
        except (OSError, sqlite3.Error) as error:
            if not is_of_storage(error):
                raise
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._pending.clear()
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")
        self.fault = storage_fault(
            f"the record {self.path} cannot be written any more",
            error,
            self.path,
            f"free some space; what was recorded until then: seatrial report {self.path}",
        )
        self._files.abandon()
        self._on_fault()

    def _flush_until_stopped(self) -> None:
        while not self._stopped.wait(BATCH_LIMIT_S):
            with self._lock:
                self._guarded(self._flush)


def utc_now() -> str:
    """Return the time of day, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _lay_out_run(connection: sqlite3.Connection, directory: RunDirectory, name: str) -> None:
    lay_out(connection)
    # The same moment on both clocks, so that samples can be shown in time of day.
    connection.execute(
        "INSERT INTO run (id, run_id, name, version, started_utc, started_s) VALUES (1, ?, ?, ?, ?, ?)",
        (directory.path.name, name, __version__, utc_now(), time.monotonic()),
    )


def _go_on(connection: sqlite3.Connection, path: Path, begun: int) -> None:
    set_up(connection)
    connection.execute("BEGIN IMMEDIATE")
    (found,) = connection.execute("SELECT count(*) FROM trials").fetchone()
    if found != begun:
        raise RecordError(
            f"{path} has been gone on with by another process",
            cause=f"{begun} of its trials had begun a moment ago, {found} have now",
            next_step="look at what there is (seatrial report), and resume it again if it lacks trials",
        )
    connection.execute("UPDATE trials SET state = ? WHERE state IS NULL", (CUT_OFF,))
    connection.execute("UPDATE run SET state = NULL, ended_utc = NULL")
    connection.execute("COMMIT")


def _last_frame(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM frames").fetchone()
    return int(last)
