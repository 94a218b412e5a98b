"""Typed, read-only access to a run: finished, cut off by a kill, or being written right now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self, TypeVar

from seatrial.errors import RecordError, printable
from seatrial.record.events import CUT_OFF
from seatrial.record.facts import TrialCounts
from seatrial.record.fetch import Rows
from seatrial.record.layout import RunDirectory
from seatrial.record.lock import is_live
from seatrial.record.tables import rows
from seatrial.record.tables.event_of_row import host_of, process_of
from seatrial.record.tables.frame_rows import join_frame, looked_at
from seatrial.record.tables.load_rows import account_of
from seatrial.record.tables.network_rows import network_of, node_of, system_of
from seatrial.record.tables.run_rows import capacity_of, change_of, mapping_of, run_of
from seatrial.record.tables.summary_rows import TABLE, KeptSummary, kept_summary, rows_of_trial
from seatrial.record.tables.trial_rows import (
    counts_of,
    disturbance_of,
    facts_of,
    milestone_of,
    observed_of,
    queue_of,
    step_of,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from seatrial.discovery.facts import QueueSample, StepFacts
    from seatrial.generator.account import LoadAccount
    from seatrial.generator.frames import Frame
    from seatrial.observe.prometheus.series import Observed
    from seatrial.observe.samples import HostSample, NetworkSample, NodeSample, ProcessSample, SystemSample
    from seatrial.preflight.capacity import Capacity
    from seatrial.record.events import MilestoneReached

Value = TypeVar("Value")


class RunReader:
    """Reads one run directory; use :meth:`open`. Every call reads anew, so a live run is up to date.

    Of a damaged record what can be read is returned, and ``damage`` says what could not. Only the run itself, its plan
    and its cases have to be whole: where they are not, ``RecordError`` says so.
    """

    def __init__(self, directory: RunDirectory, *, any_version: bool = False) -> None:
        self.directory = directory
        self._rows = Rows(directory.database, any_version=any_version)
        self._statements: tuple[str, ...] = ()

    @classmethod
    def open(cls, path: Path, *, any_version: bool = False) -> Self:
        """Open a run directory; raise :class:`RecordError` where there is none or it cannot be read.

        With ``any_version`` a record of another version is opened, too, whose tables may hold something else.
        """
        directory = RunDirectory(path)
        if not directory.database.is_file():
            raise RecordError(
                f"{path} is not a run directory",
                cause=f"it has no {directory.database.name}",
                next_step="give one of the directories under runs/",
            )
        return cls(directory, any_version=any_version)

    def close(self) -> None:
        """Let go of the file."""
        self._rows.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    @property
    def damage(self) -> tuple[rows.Damage, ...]:
        """What could not be read so far."""
        return tuple(self._rows.damage)

    def damage_of(self, trial: int) -> tuple[rows.Damage, ...]:
        """Return what could not be read of a trial so far."""
        return tuple(damage for damage in self._rows.damage if damage.trial == trial)

    def is_live(self) -> bool:
        """Return whether a living process is writing this run."""
        return is_live(self.directory.path)

    def run(self) -> rows.RunInfo:
        """Return the run itself."""
        unfinished: rows.RunState = "running" if self.is_live() else "cut off"
        return self._rows.the_one(lambda row: run_of(row, unfinished), "run")

    def plan_text(self) -> str:
        """Return the plan as given."""
        return self._rows.the_one(lambda row: str(row["given"]), "plan")

    def plan(self) -> Mapping[str, Any]:
        """Return the compiled plan, ``seatrial.plan/1``."""
        return self._rows.the_one(lambda row: mapping_of(row["compiled"]), "plan")

    def question(self) -> str | None:
        """Return the question that the plan asks."""
        question: str | None = self.plan()["plan"].get("question")
        return question

    def objectives(self) -> tuple[rows.RecordedObjective, ...]:
        """Return what must hold."""
        return rows.objectives_of(
            self.plan()["plan"].get("objectives", ()), self.plan()["plan"].get("observe")
        )

    def environment(self) -> Mapping[str, Any]:
        """Return the last description of the environment; empty where the run was cut before it."""
        found = self.environments()
        return found[-1].document if found else {}

    def environments(self) -> tuple[rows.RecordedEnvironment, ...]:
        """Return every description of the environment, each with the trial that was the first in it."""
        return self._rows.read(
            lambda row: rows.RecordedEnvironment(
                row["first_trial"], row["at_utc"], mapping_of(row["document"])
            ),
            "environment",
            "ORDER BY id",
        )

    def capacities(self, trial: int | None = None) -> tuple[Capacity, ...]:
        """Return what the network carries, way by way: as it was measured last, or last before a trial began.

        Empty where it was not measured.
        """
        found = self._rows.read(
            capacity_of,
            "capacities",
            *(("ORDER BY id",) if trial is None else ("WHERE first_trial <= ? ORDER BY id", trial)),
        )
        return tuple({capacity.way: capacity for capacity in found}.values())

    def cases(self) -> tuple[rows.RecordedCase, ...]:
        """Return every case of the plan, in plan order."""
        return tuple(case for case in self._cases("ORDER BY position") if not case.is_sanity)

    def sanity_cells(self) -> tuple[rows.RecordedCase, ...]:
        """Return the sanity cells, in the order in which they are run."""
        return tuple(case for case in self._cases("ORDER BY position") if case.is_sanity)

    def case(self, case_id: str) -> rows.RecordedCase | None:
        """Return one case, or sanity cell, without a look at any other; None where the plan has no such case."""
        found = self._cases("WHERE id = ?", case_id)
        return found[0] if found else None

    def trials(self) -> tuple[rows.RecordedTrial, ...]:
        """Return every trial that began, in the order of execution; without what cannot be read of it."""
        return self._trials("ORDER BY ord")

    def trial(self, number: int) -> rows.RecordedTrial | None:
        """Return one trial without a look at any other; None where it has not begun, or cannot be read."""
        return next(iter(self._trials("WHERE id = ?", number)), None)

    def phases(self, trial: int) -> tuple[rows.RecordedPhase, ...]:
        """Return the phases of a trial that began, in order."""
        found = self._rows.read(dict, "phases", "WHERE trial = ? ORDER BY at_s, id", trial, trial=trial)
        ended = self._rows.read(lambda row: row["ended_s"], "trials", "WHERE id = ?", trial)
        ends = [*(row["at_s"] for row in found[1:]), *ended]
        return tuple(
            rows.RecordedPhase(row["name"], row["at_s"], end_s, row["expected_s"])
            for row, end_s in zip(found, ends, strict=False)
        )

    def milestones(self, trial: int) -> tuple[MilestoneReached, ...]:
        """Return what became of each change of a trial, in the order in which it was seen."""
        return self._rows.read(milestone_of, "milestones", "WHERE trial = ? ORDER BY id", trial, trial=trial)

    def queue_samples(self, trial: int) -> tuple[QueueSample, ...]:
        """Return the looks at a discoverer's queue in a trial."""
        return self._rows.read(queue_of, "queue_samples", "WHERE trial = ? ORDER BY id", trial, trial=trial)

    def steps(self, trial: int) -> tuple[StepFacts, ...]:
        """Return the steps that a discoverer was taken through in a trial, in order."""
        return self._rows.read(step_of, "discovery_steps", "WHERE trial = ? ORDER BY id", trial, trial=trial)

    def disturbances(self, trial: int) -> tuple[rows.RecordedDisturbance, ...]:
        """Return what was done to the system of a trial while it was measured, in order."""
        of_trial = "WHERE trial = ? ORDER BY number"
        return self._rows.read(disturbance_of, "disturbances", of_trial, trial, trial=trial)

    def observed(self, trial: int) -> tuple[Observed, ...]:
        """Return what a Prometheus was asked about a trial, and answered, in the order of the plan."""
        return self._rows.read(observed_of, "observed", "WHERE trial = ? ORDER BY id", trial, trial=trial)

    def account(self, trial: int) -> LoadAccount | None:
        """Return what is known of a trial's load beside its frames; None where it never began, or cannot be read."""
        found = self._rows.read(account_of, "loads", "WHERE trial = ?", trial, trial=trial)
        return found[0] if found else None

    def frames(self, trial: int, take: Callable[[bytes], str] | None = None) -> tuple[Frame, ...]:
        """Return every frame of a trial, in order of arrival.

        ``take`` returns a histogram in base64, or raises ``ValueError`` where it is none; without, the engine looks.
        """
        histograms: dict[int, list[tuple[str, str, str]]] = {}
        of_trial = "WHERE frame IN (SELECT id FROM frames WHERE trial = ?)"

        def histogram_of(row: sqlite3.Row) -> tuple[int, tuple[str, str, str]]:
            return row["frame"], (row["phase"], row["kind"], (take or looked_at)(row["data"]))

        for frame, histogram in self._rows.read(
            histogram_of, "frame_histograms", of_trial, trial, trial=trial
        ):
            histograms.setdefault(frame, []).append(histogram)
        return self._rows.read(
            lambda row: join_frame(row["counters"], histograms.get(row["id"], ())),
            "frames",
            "WHERE trial = ? ORDER BY id",
            trial,
            trial=trial,
        )

    def kept_summary(self, trial: int) -> KeptSummary | None:
        """Return what was made of a trial when it ended; None where nothing was kept, or not what was written.

        Whether it still stands for the trial :meth:`digest_of` says.
        """
        # A record from before has no such table.
        if TABLE not in self._rows.columns:
            return None
        found = self._rows.read(kept_summary, TABLE, "WHERE trial = ?", trial)
        return found[0] if found else None

    def digest_of(self, trial: int) -> str | None:
        """Return a digest of everything that is recorded of a trial; None where not all of it can be read."""
        self._statements = self._statements or rows_of_trial(self._rows.columns)
        return self._rows.digest(self._statements, trial)

    def process_samples(self, trial: int) -> tuple[ProcessSample, ...]:
        """Return every look at every process, by time."""
        return self._samples("process_samples", trial, process_of)

    def host_samples(self, trial: int) -> tuple[HostSample, ...]:
        """Return every look at the machine, by time."""
        return self._samples("host_samples", trial, host_of)

    def network_samples(self, trial: int) -> tuple[NetworkSample, ...]:
        """Return every look at every network namespace, by time."""
        return self._samples("network_samples", trial, network_of)

    def node_samples(self, trial: int) -> tuple[NodeSample, ...]:
        """Return every look at every node of the cluster, by time."""
        return self._samples("node_samples", trial, node_of)

    def system_samples(self, trial: int) -> tuple[SystemSample, ...]:
        """Return every look at the system's own counters, by time."""
        return self._samples("system_samples", trial, system_of)

    def journal(self) -> tuple[rows.JournalEntry, ...]:
        """Return the journal, the program's entries and the person's, by time."""
        return self._rows.read(
            lambda row: rows.JournalEntry(row["at_utc"], row["author"], row["trial"], printable(row["text"])),
            "journal",
            "ORDER BY at_utc, id",
        )

    def changes(self) -> tuple[rows.Change, ...]:
        """Return what the run changed, on this machine or on a cluster, in order."""
        # A run that was cut before its tables were made has changed nothing yet.
        if not self._rows.has_table("changes"):
            return ()
        return self._rows.read(change_of, "changes", "ORDER BY id")

    def _samples(self, table: str, trial: int, convert: Callable[[sqlite3.Row], Value]) -> tuple[Value, ...]:
        return self._rows.read(convert, table, "WHERE trial = ? ORDER BY at_s, id", trial, trial=trial)

    def _cases(self, rest: str, *values: object) -> tuple[rows.RecordedCase, ...]:
        return self._rows.every(lambda row: rows.case_of(json.loads(row["document"])), "cases", rest, *values)

    def _trials(self, rest: str, *values: object) -> tuple[rows.RecordedTrial, ...]:
        unfinished: rows.TrialState = "running" if self.is_live() else CUT_OFF
        of_one = "WHERE trial = ?" if values else ""
        counts = dict(self._rows.read(counts_of, "counts", of_one, *values))
        return self._rows.read(
            lambda row: self._trial(row, counts.get(row["id"], TrialCounts()), unfinished),
            "trials",
            rest,
            *values,
        )

    def _trial(
        self, row: sqlite3.Row, counts: TrialCounts, unfinished: rows.TrialState
    ) -> rows.RecordedTrial:
        def document(name: str, otherwise: Any) -> Any:
            try:
                return otherwise if row[name] is None else json.loads(row[name])
            except ValueError as error:
                self._rows.note("trials", row["id"], error, row["id"])
                return otherwise

        return rows.RecordedTrial(
            trial=row["id"],
            case_id=row["case_id"],
            system=row["system"],
            repeat=row["repeat"],
            order=row["ord"],
            state=row["state"] or unfinished,
            failure=row["failure"],
            started_s=row["started_s"],
            started_utc=row["started_utc"],
            ended_s=row["ended_s"],
            counts=counts,
            facts=facts_of(document("facts", {})),
            reasons=tuple(document("reasons", ())),
        )
