"""What happened in a run: the phases of its trials, what was done to systems and routes, the journal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from seatrial.report.tidy.columns import Column, arrays
from seatrial.report.tidy.table import Table

if TYPE_CHECKING:
    from seatrial.analysis.run.model import RunSummary
    from seatrial.generator.prober import Answers
    from seatrial.record.reader import RunReader
    from seatrial.record.tables.rows import RecordedTrial
    from seatrial.report.tidy.columns import Array

PHASES = (
    Column("phase", "text"),
    Column("start_s", "float"),
    Column("end_s", "float", optional=True),
)
MILESTONES = (
    Column("at_s", "float"),
    Column("after_s", "float"),
    Column("subject", "text"),
    Column("change", "text"),
    Column("generation", "int"),
    Column("milestone", "text"),
    Column("place", "text"),
    Column("over", "text"),
    Column("relapses", "int"),
    Column("answers", "text"),
    Column("lost_count", "int"),
    Column("stale_count", "int"),
)
DISTURBANCES = (
    Column("number", "int"),
    Column("done", "text"),
    Column("start_s", "float"),
    Column("end_s", "float", optional=True),
    Column("asked_requests", "int"),
)
_JOURNAL = (
    Column("run", "text"),
    Column("at_utc", "time"),
    Column("author", "text"),
    Column("trial", "int", optional=True),
    Column("text", "text"),
)


def phases(reader: RunReader, trial: RecordedTrial) -> dict[str, Array]:
    """Return when each phase of a trial began and ended; seconds from its start, as of all of these."""
    rows = [
        {"phase": phase.name, "start_s": phase.start_s - trial.started_s, "end_s": _since(phase.end_s, trial)}
        for phase in reader.phases(trial.trial)
    ]
    return arrays(PHASES, rows)


def milestones(reader: RunReader, trial: RecordedTrial) -> dict[str, Array]:
    """Return what became of each change of a route; ``answers`` are JSON, how many by what they were."""
    rows = [
        {
            "at_s": one.at_s - trial.started_s,
            "after_s": one.after_s - trial.started_s,
            "subject": one.subject,
            "change": one.change,
            "generation": one.generation,
            "milestone": one.milestone,
            "place": one.place,
            "over": one.over,
            "relapses": one.relapses,
            "answers": json.dumps(dict(one.answers)),
            "lost_count": _count(one.lost),
            "stale_count": _count(one.stale),
        }
        for one in reader.milestones(trial.trial)
    ]
    return arrays(MILESTONES, rows)


def disturbances(reader: RunReader, trial: RecordedTrial) -> dict[str, Array]:
    """Return what was done to the system of a trial while it was measured."""
    rows: list[dict[str, Any]] = [
        {
            "number": one.number,
            "done": one.words,
            "start_s": one.started_s - trial.started_s,
            "end_s": _since(one.ended_s, trial),
            "asked_requests": one.asked,
        }
        for one in reader.disturbances(trial.trial)
    ]
    return arrays(DISTURBANCES, rows)


def journal_table(summary: RunSummary) -> Table:
    """Return the journal, by time."""
    rows = [
        {
            "run": summary.run.run_id,
            "at_utc": entry.at_utc,
            "author": entry.author,
            "trial": entry.trial,
            "text": entry.text,
        }
        for entry in summary.journal
    ]
    return Table("journal", _JOURNAL, [arrays(_JOURNAL, rows)])


def _since(at_s: float | None, trial: RecordedTrial) -> float | None:
    return None if at_s is None else at_s - trial.started_s


def _count(answers: Answers | None) -> int:
    return 0 if answers is None else answers.count
