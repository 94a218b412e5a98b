"""Runs of small plans: where their records are, and what is left of their processes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.program import Running, wait_until
from tests.support.schemas import assert_published

from seatrial.errors import RecordError
from seatrial.machine import proc
from seatrial.record.reader import RunReader
from seatrial.record.tables.rows import Change

START_LIMIT_S = 60.0
READ_EVERY_S = 0.1
"""To read a record takes milliseconds of CPU, which the run under way needs."""

PLAN = """
name: tiny
systems: [{systems}]
origin: {{kind: seatrial, body: 600 B}}
vary:
  connections: [50]
# On a coarse grid a request may leave later: this is about processes and counts, on machines that do other things, too.
load: {{rate: 200/s, active: 10, connect_rate: 1k/s, timeout: 1 s, resolution: 10 ms}}
phases: {{stable_for: 0 s, warmup: 200 ms, measure: {measure}, cooldown: 5 s}}
seed: {seed}
repeat: 1
retry: 0
objectives: [p99 < 10 s, errors == 0]
# Measured before a long trial, that takes a second or two of every CPU; test_capacity.py is about it.
capacity: never
"""


@dataclass(frozen=True, slots=True)
class Bench:
    """A directory with a plan in it, where runs are made."""

    directory: Path

    def plan(self, *systems: str, measure: str = "2 s", seed: int = 1) -> Path:
        """Write a plan of one case for each system."""
        file = self.directory / "plan.yaml"
        file.write_text(PLAN.format(systems=", ".join(systems), measure=measure, seed=seed))
        return file

    @property
    def runs(self) -> Path:
        """Where the run directories are."""
        return self.directory / "runs"

    def start(self, plan: Path, *flags: str, fresh: bool = False) -> Running:
        """Start ``seatrial run`` and go on."""
        # As a person does: runs/ below where they are.
        return Running("run", str(plan), *flags, directory=self.directory, fresh=fresh)

    def run_directory(self, running: Running | None = None) -> Path:
        """Wait for the record of the last run to be there; ``running`` ends the wait, and the test, by its own end."""

        def found() -> list[Path]:
            return list(self.runs.glob("*/record.db"))

        def is_over() -> bool:
            return running is not None and running.process.poll() is not None

        wait_until(lambda: found() or is_over(), START_LIMIT_S)
        assert found(), running and running.wait(1.0)
        return max(self.runs.iterdir())


def results(run: Path) -> dict[str, Any]:
    """Read ``results.json``, which is as its schema has it."""
    document: dict[str, Any] = json.loads((run / "results.json").read_text())
    assert_published("results", document)
    return document


def trials(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the only trial of each case, by the case's system."""
    return {case["system"]: case["trials"][0] for case in document["cases"] if case["trials"]}


def codes(trial: dict[str, Any]) -> set[str]:
    """Return the codes of the reasons why a trial cannot be believed."""
    return {reason["code"] for reason in trial["validity"]["reasons"]}


def wait_for_phase(run: Path, phase: str, system: str | None = None) -> None:
    """Wait until a trial, of this system if one is named, has come to this phase."""
    assert wait_until(lambda: phase in _phases(run, system), START_LIMIT_S, READ_EVERY_S), (system, phase)


def wait_for_answers(run: Path) -> None:
    """Wait until the first trial has recorded answers of its measure phase."""

    def has_answers() -> bool:
        with suppress(RecordError), RunReader.open(run) as reader:
            parts = [part for frame in reader.frames(1) for part in frame.parts if part.phase == "measure"]
            return sum(part.completed for part in parts) > 0
        return False

    assert wait_until(has_answers, START_LIMIT_S, READ_EVERY_S)


def _phases(run: Path, system: str | None) -> set[str]:
    # The file is there before its tables are.
    with suppress(RecordError), RunReader.open(run) as reader:
        own = [trial.trial for trial in reader.trials() if system in {None, trial.system}]
        return {phase.name for trial in own for phase in reader.phases(trial)}
    return set()


def processes(run: Path) -> tuple[Change, ...]:
    """Return what the record says of the processes that were started, those with an id only."""
    with RunReader.open(run) as reader:
        return tuple(change for change in reader.changes() if "pid" in change.detail)


def survivors(run: Path) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Return every living process that the record knows, is of such a one's group, or has to do with the directory."""
    found: set[int] = set()
    for change in processes(run):
        pid, ticks = change.detail["pid"], change.detail["started_ticks"]
        found.update(proc.group(pid, ticks))
        if proc.is_alive(pid, ticks):
            found.add(pid)
    found.update(_inside(run, proc.all_pids()))
    return tuple((pid, proc.command_line(pid)) for pid in sorted(found))


def _inside(run: Path, pids: Iterable[int]) -> Iterable[int]:
    where = str(run.resolve())
    for pid in pids:
        try:
            cwd = str(Path(f"/proc/{pid}/cwd").readlink())
        except OSError:
            continue
        named = any(where in word for word in proc.command_line(pid))
        if pid != os.getpid() and (named or cwd.startswith(where)):
            yield pid
