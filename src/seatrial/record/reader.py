"""Typed, read-only access to a run: finished, cut off by a kill, or being written right now."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any, Self

from seatrial.errors import RecordError
from seatrial.record import rows
from seatrial.record.events import CUT_OFF, TrialCounts, TrialFacts
from seatrial.record.frame_rows import join_frame
from seatrial.record.layout import RunDirectory
from seatrial.record.lock import is_live
from seatrial.record.schema import BUSY_TIMEOUT_MS, SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from seatrial.generator.frames import Frame
    from seatrial.observe.samples import HostSample, ProcessSample, SystemSample


class RunReader:
    """Reads one run directory; use :meth:`open`. Every call reads anew, so a live run is up to date."""

    def __init__(self, directory: RunDirectory, connection: sqlite3.Connection) -> None:
        self.directory = directory
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a run directory; raise :class:`RecordError` where there is none or it cannot be read."""
        directory = RunDirectory(path)
        if not directory.database.is_file():
            raise RecordError(
                f"{path} is not a run directory",
                cause=f"it has no {directory.database.name}",
                next_step="give one of the directories under runs/",
            )
        return cls(directory, _connect(directory.database))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def is_live(self) -> bool:
        """Return whether a living process is writing this run."""
        return is_live(self.directory.path)

    def run(self) -> rows.RunInfo:
        """Return the run itself."""
        row = self._one("SELECT * FROM run")
        state: rows.RunState = row["state"] or ("running" if self.is_live() else "cut off")
        return rows.RunInfo(
            run_id=row["run_id"],
            name=row["name"],
            version=row["version"],
            started_utc=row["started_utc"],
            started_s=row["started_s"],
            ended_utc=row["ended_utc"],
            trials=row["trials"],
            state=state,
            exit_code=row["exit_code"],
        )

    def plan_text(self) -> str:
        """Return the plan as given."""
        return str(self._one("SELECT given FROM plan")["given"])

    def plan(self) -> Mapping[str, Any]:
        """Return the compiled plan, ``seatrial.plan/1``."""
        document: Mapping[str, Any] = json.loads(self._one("SELECT compiled FROM plan")["compiled"])
        return document

    def question(self) -> str | None:
        """Return the question that the plan asks."""
        question: str | None = self.plan()["plan"].get("question")
        return question

    def objectives(self) -> tuple[rows.RecordedObjective, ...]:
        """Return what must hold."""
        return tuple(
            rows.RecordedObjective(item["text"], item["metric"], item["comparison"], item["threshold"])
            for item in self.plan()["plan"].get("objectives", ())
        )

    def environment(self) -> Mapping[str, Any]:
        """Return the last description of the environment; empty where the run was cut before it."""
        found = self._all("SELECT document FROM environment ORDER BY id DESC LIMIT 1")
        return json.loads(found[0]["document"]) if found else {}

    def cases(self) -> tuple[rows.RecordedCase, ...]:
        """Return every case of the plan, in plan order."""
        return tuple(
            _case(json.loads(row["document"])) for row in self._all("SELECT * FROM cases ORDER BY position")
        )

    def trials(self) -> tuple[rows.RecordedTrial, ...]:
        """Return every trial that began, in the order of execution."""
        unfinished = "running" if self.is_live() else CUT_OFF
        found = self._all("SELECT * FROM trials LEFT JOIN counts ON trial = id ORDER BY ord")
        return tuple(_trial(row, unfinished) for row in found)

    def phases(self, trial: int) -> tuple[rows.RecordedPhase, ...]:
        """Return the phases of a trial that began, in order."""
        found = self._all("SELECT * FROM phases WHERE trial = ? ORDER BY at_s, id", trial)
        ended = self._one("SELECT ended_s FROM trials WHERE id = ?", trial)["ended_s"]
        ends = [*(row["at_s"] for row in found[1:]), ended]
        return tuple(
            rows.RecordedPhase(row["name"], row["at_s"], end_s, row["expected_s"])
            for row, end_s in zip(found, ends, strict=False)
        )

    def frames(self, trial: int) -> tuple[Frame, ...]:
        """Return every frame of a trial, in order of arrival."""
        histograms: dict[int, list[tuple[str, str, bytes]]] = {}
        join = "SELECT h.* FROM frame_histograms h JOIN frames f ON f.id = h.frame WHERE f.trial = ?"
        for row in self._all(join, trial):
            histograms.setdefault(row["frame"], []).append((row["phase"], row["kind"], row["data"]))
        found = self._all("SELECT id, counters FROM frames WHERE trial = ? ORDER BY id", trial)
        return tuple(join_frame(row["counters"], histograms.get(row["id"], ())) for row in found)

    def process_samples(self, trial: int) -> tuple[ProcessSample, ...]:
        """Return every look at every process, by time."""
        from seatrial.observe.samples import ProcessSample

        found = self._all("SELECT * FROM process_samples WHERE trial = ? ORDER BY at_s, id", trial)
        return tuple(ProcessSample(*(row[name] for name in _PROCESS_COLUMNS)) for row in found)

    def host_samples(self, trial: int) -> tuple[HostSample, ...]:
        """Return every look at the machine, by time."""
        from seatrial.observe.samples import HostSample

        found = self._all("SELECT * FROM host_samples WHERE trial = ? ORDER BY at_s, id", trial)
        return tuple(HostSample(row["at_s"], json.loads(row["sample"])) for row in found)

    def system_samples(self, trial: int) -> tuple[SystemSample, ...]:
        """Return every look at the system's own counters, by time."""
        from seatrial.observe.samples import SystemSample

        found = self._all("SELECT * FROM system_samples WHERE trial = ? ORDER BY at_s, id", trial)
        return tuple(SystemSample(row["at_s"], row["system"], json.loads(row["sample"])) for row in found)

    def journal(self) -> tuple[rows.JournalEntry, ...]:
        """Return the journal, the program's entries and the person's, by time."""
        found = self._all("SELECT * FROM journal ORDER BY at_utc, id")
        return tuple(
            rows.JournalEntry(row["at_utc"], row["author"], row["trial"], row["text"]) for row in found
        )

    def changes(self) -> tuple[rows.Change, ...]:
        """Return what the run changed on this machine, in order."""
        found = self._all("SELECT * FROM changes ORDER BY id")
        return tuple(
            rows.Change(row["id"], row["at_utc"], row["kind"], json.loads(row["detail"]), row["undone_utc"])
            for row in found
        )

    def _all(self, statement: str, *values: object) -> list[sqlite3.Row]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise _unreadable(self.directory.database, error) from error

    def _one(self, statement: str, *values: object) -> sqlite3.Row:
        found = self._all(statement, *values)
        if not found:
            raise RecordError(
                f"{self.directory.database} holds no run",
                cause="it was cut off while it was being made",
                next_step="remove the directory; nothing was measured",
            )
        return found[0]


_PROCESS_COLUMNS = (
    "at_s", "role", "name", "pid", "cpu_user_s", "cpu_system_s", "rss_bytes", "pss_bytes", "fds", "threads",
    "throttled_s",
)  # fmt: skip


def _connect(database: Path) -> sqlite3.Connection:
    # A record in a place that cannot be written has no log beside it that could be shared, so it is read as a
    # file that does not change.
    failure: sqlite3.DatabaseError | None = None
    for mode in ("mode=ro", "immutable=1"):
        connection = sqlite3.connect(f"{database.resolve().as_uri()}?{mode}", uri=True)
        connection.row_factory = sqlite3.Row
        try:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.DatabaseError as error:
            connection.close()
            failure = error
            continue
        _refuse_newer(database, version, connection)
        return connection
    raise _unreadable(database, failure)


def _refuse_newer(database: Path, version: int, connection: sqlite3.Connection) -> None:
    if version > SCHEMA_VERSION:
        connection.close()
        raise RecordError(
            f"{database} has version {version} of the record, this program reads up to {SCHEMA_VERSION}",
            cause="it was written by a later Seatrial",
            next_step="update Seatrial",
        )


def _unreadable(database: Path, error: sqlite3.DatabaseError | None) -> RecordError:
    return RecordError(
        f"{database} cannot be read", cause=str(error), next_step="check that it is a Seatrial record"
    )


def _case(document: Mapping[str, Any]) -> rows.RecordedCase:
    load, phases = document["load"], document["phases"]
    return rows.RecordedCase(
        id=document["id"],
        system=document["system"],
        kind=document["kind"],
        variables=tuple((name, value) for name, value in document["variables"].items()),
        held=load["connections"],
        active=load["active"],
        rate_per_s=load["rate_per_s"],
        loop=load["loop"],
        arrival=load["arrival"],
        warmup_s=phases["warmup_s"],
        measure_s=phases["measure_s"],
        document=document,
    )


def _trial(row: sqlite3.Row, unfinished: str) -> rows.RecordedTrial:
    counts = TrialCounts(
        row["generator_completed"],
        row["system_requests"],
        row["system_upstream_requests"],
        row["origin_requests"],
    )
    return rows.RecordedTrial(
        trial=row["id"],
        case_id=row["case_id"],
        system=row["system"],
        repeat=row["repeat"],
        order=row["ord"],
        state=row["state"] or unfinished,
        started_s=row["started_s"],
        started_utc=row["started_utc"],
        ended_s=row["ended_s"],
        load=None if row["load"] is None else json.loads(row["load"]),
        counts=counts,
        facts=_facts(json.loads(row["facts"] or "{}")),
        reasons=tuple(json.loads(row["reasons"] or "[]")),
    )


def _facts(document: Mapping[str, Any]) -> TrialFacts:
    return TrialFacts(
        drained_before_start=document.get("drained_before_start"),
        system_failure=document.get("system_failure"),
        processes_lost=tuple(document.get("processes_lost", ())),
        missing=tuple(document.get("missing", ())),
    )
