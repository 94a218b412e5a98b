"""Where an observer is written down: in the record of a run, or in one of its own where nothing runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from seatrial.errors import RecordError
from seatrial.limits import named_limits
from seatrial.plan.shown.compiled import SCHEMA
from seatrial.record.environment import describe
from seatrial.record.events import RunEnded, RunStarted
from seatrial.record.writer import RunWriter
from seatrial.run.observer.local import live_run

if TYPE_CHECKING:
    from pathlib import Path

NAME = "observe"


def directory_for(run: Path | None, runs: Path) -> Path:
    """Return the directory of a run: the one that is named, the one that goes on, else a new one without trials.

    Raises ``RecordError`` where what is named is none.
    """
    if run is not None:
        if not (run / "record.db").is_file():
            raise RecordError(
                f"{run} is not a run directory",
                cause="it has no record.db",
                next_step="give one of the directories under runs/, or none",
            )
        return run
    return live_run(runs) or _without_trials(runs)


def _without_trials(runs: Path) -> Path:
    plan: dict[str, Any] = {
        "name": NAME,
        "question": None,
        "repeat": 1,
        "systems": [],
        "phases": {},
        "objectives": [],
    }
    compiled = {
        "schema": SCHEMA,
        "plan": plan,
        "limits": named_limits(),
        "cases": [],
        "trials": [],
        "sanity": [],
    }
    with RunWriter.create(runs.resolve(), NAME, "", json.dumps(compiled)) as writer:
        writer.environment(describe({}))
        writer.append(RunStarted(writer.path.name, NAME, 0))
        writer.append(RunEnded("finished"))
        return writer.path
