"""The tables of ``record.db``. Times are CLOCK_MONOTONIC seconds; names in ``_utc`` are ISO 8601."""

from __future__ import annotations

from contextlib import suppress
from sqlite3 import DatabaseError
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

# Written to `PRAGMA user_version`; a reader refuses a record of another version.
SCHEMA_VERSION = 8

# Another process (`seatrial note`) may hold the write lock for a moment; a batch of ours takes milliseconds.
BUSY_TIMEOUT_MS = 10_000

ADDED = frozenset({"observed", "queue_samples", "steps_begun", "discovery_steps"})
"""Tables that a record of this version may be without, for it is from before: it has no such rows."""

# Of the table `summaries` nothing is the truth: it may be emptied, and a record may be without it.
# Rowid tables throughout: WITHOUT ROWID stores blobs in the interior pages of the tree and was measured to be
# three times slower and twice as large for histograms.
TABLES = """
CREATE TABLE run (
    id INTEGER PRIMARY KEY CHECK (id = 1), run_id TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
    started_utc TEXT NOT NULL, started_s REAL NOT NULL, trials INTEGER, ended_utc TEXT, state TEXT
);
CREATE TABLE plan (id INTEGER PRIMARY KEY CHECK (id = 1), given TEXT NOT NULL, compiled TEXT NOT NULL);
CREATE TABLE environment (
    id INTEGER PRIMARY KEY, first_trial INTEGER NOT NULL, at_utc TEXT NOT NULL, document TEXT NOT NULL
);
CREATE TABLE capacities (
    id INTEGER PRIMARY KEY, first_trial INTEGER NOT NULL, at_utc TEXT NOT NULL, document TEXT NOT NULL
);
CREATE TABLE cases (
    id TEXT PRIMARY KEY, position INTEGER NOT NULL, system TEXT NOT NULL, kind TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE TABLE trials (
    id INTEGER PRIMARY KEY, case_id TEXT NOT NULL, system TEXT NOT NULL, repeat INTEGER NOT NULL,
    ord INTEGER NOT NULL, started_s REAL NOT NULL, started_utc TEXT NOT NULL, ended_s REAL, state TEXT,
    failure TEXT, facts TEXT, reasons TEXT
);
CREATE TABLE loads (
    trial INTEGER PRIMARY KEY, asked TEXT NOT NULL, hellos TEXT NOT NULL, driven TEXT, cost TEXT
);
CREATE TABLE phases (
    id INTEGER PRIMARY KEY, trial INTEGER NOT NULL, name TEXT NOT NULL, at_s REAL NOT NULL, expected_s REAL
);
CREATE INDEX phases_of_trial ON phases (trial);
CREATE TABLE frames (
    id INTEGER PRIMARY KEY, trial INTEGER NOT NULL, worker INTEGER NOT NULL, seq INTEGER NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, counters TEXT NOT NULL
);
CREATE INDEX frames_of_trial ON frames (trial);
CREATE TABLE frame_histograms (
    id INTEGER PRIMARY KEY, frame INTEGER NOT NULL, phase TEXT NOT NULL, kind TEXT NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX histograms_of_frame ON frame_histograms (frame);
CREATE TABLE process_samples (
    id INTEGER PRIMARY KEY, trial INTEGER NOT NULL, at_s REAL NOT NULL, role TEXT NOT NULL,
    member TEXT NOT NULL, incarnation TEXT NOT NULL, name TEXT NOT NULL, cpu_user_s REAL NOT NULL,
    cpu_system_s REAL NOT NULL, rss_bytes INTEGER, pss_bytes INTEGER, fds INTEGER,
    threads INTEGER, throttled_s REAL, voluntary_switches INTEGER, involuntary_switches INTEGER,
    cpu_wait_s REAL, cpus_allowed TEXT, working_set_bytes INTEGER
);
CREATE INDEX process_samples_of_trial ON process_samples (trial);
CREATE TABLE host_samples (
    id INTEGER PRIMARY KEY, trial INTEGER NOT NULL, at_s REAL NOT NULL, sample TEXT NOT NULL
);
CREATE INDEX host_samples_of_trial ON host_samples (trial);
CREATE TABLE network_samples (
    id INTEGER PRIMARY KEY, trial INTEGER NOT NULL, at_s REAL NOT NULL, network TEXT NOT NULL, sample TEXT NOT NULL
);
CREATE INDEX network_samples_of_trial ON network_samples (trial);
CREATE TABLE node_samples (
    id INTEGER PRIMARY KEY, trial INTEGER NOT NULL, at_s REAL NOT NULL, node TEXT NOT NULL, roles TEXT NOT NULL,
    cpu_s REAL NOT NULL, memory_working_set_bytes INTEGER, cores INTEGER
);
CREATE INDEX node_samples_of_trial ON node_samples (trial);
CREATE TABLE system_samples (
    id INTEGER PRIMARY KEY, trial INTEGER NOT NULL, at_s REAL NOT NULL, system TEXT NOT NULL,
    member TEXT NOT NULL, incarnation TEXT NOT NULL, sample TEXT NOT NULL, role TEXT NOT NULL
);
CREATE INDEX system_samples_of_trial ON system_samples (trial);
CREATE TABLE counts (
    trial INTEGER PRIMARY KEY, generator_completed INTEGER, system_requests INTEGER,
    system_upstream_requests INTEGER, origin_requests INTEGER
);
CREATE TABLE disturbances (
    id INTEGER PRIMARY KEY, trial INTEGER NOT NULL, number INTEGER NOT NULL, words TEXT NOT NULL,
    started_s REAL NOT NULL, ended_s REAL, asked INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX disturbances_of_trial ON disturbances (trial);
CREATE TABLE milestones (
    id INTEGER PRIMARY KEY, trial INTEGER NOT NULL, subject TEXT NOT NULL, change TEXT NOT NULL,
    generation INTEGER NOT NULL, milestone TEXT NOT NULL, place TEXT NOT NULL, at_s REAL NOT NULL,
    after_s REAL NOT NULL, over TEXT NOT NULL, relapses INTEGER NOT NULL, answers TEXT NOT NULL,
    lost TEXT, stale TEXT
);
CREATE INDEX milestones_of_trial ON milestones (trial);
CREATE TABLE queue_samples (
    id INTEGER PRIMARY KEY, trial INTEGER NOT NULL, at_s REAL NOT NULL, depth REAL, enqueued REAL, done REAL,
    dropped REAL, retries REAL
);
CREATE INDEX queue_samples_of_trial ON queue_samples (trial);
CREATE TABLE steps_begun (
    id INTEGER PRIMARY KEY, trial INTEGER NOT NULL, at_s REAL NOT NULL, step TEXT NOT NULL, words TEXT NOT NULL
);
CREATE INDEX steps_begun_of_trial ON steps_begun (trial);
CREATE TABLE discovery_steps (
    id INTEGER PRIMARY KEY, trial INTEGER NOT NULL, at_s REAL NOT NULL, document TEXT NOT NULL
);
CREATE INDEX discovery_steps_of_trial ON discovery_steps (trial);
CREATE TABLE observed (
    id INTEGER PRIMARY KEY, trial INTEGER NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL
);
CREATE INDEX observed_of_trial ON observed (trial);
CREATE TABLE summaries (
    trial INTEGER PRIMARY KEY, made_by TEXT NOT NULL, made_from TEXT NOT NULL, seal TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE TABLE journal (
    id INTEGER PRIMARY KEY, at_utc TEXT NOT NULL, author TEXT NOT NULL, trial INTEGER, text TEXT NOT NULL
);
CREATE TABLE changes (
    id INTEGER PRIMARY KEY, at_utc TEXT NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL, undone_utc TEXT
);
"""


def lay_out(connection: sqlite3.Connection) -> None:
    """Make the tables in a new database and set it up for one writer and many readers."""
    set_up(connection)
    connection.executescript(f"BEGIN;{TABLES}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")


def set_up(connection: sqlite3.Connection) -> None:
    """Set a database up for its one writer."""
    connection.execute("PRAGMA journal_mode = WAL")
    configure(connection)


def configure(connection: sqlite3.Connection) -> None:
    """Set what a connection, not the file, keeps.

    NORMAL is safe against the death of this process at any moment; a power failure may take the last batches,
    never the database (SQLite, "Write-Ahead Logging", section 2.3).
    """
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA synchronous = NORMAL")


def fold_log(connection: sqlite3.Connection) -> None:
    """Put the log of changes into the database itself.

    A finished run is one plain file that can be copied and read from a read-only place. A reader that is looking right
    now keeps the log where it is; that is as good.
    """
    with suppress(DatabaseError):
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("PRAGMA journal_mode = DELETE")
