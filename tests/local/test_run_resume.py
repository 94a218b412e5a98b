"""The real program, killed with SIGKILL in a trial and between two, and gone on with."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.disks import mounted
from tests.support.program import Running, run_seatrial, wait_until
from tests.support.runs import START_LIMIT_S, Bench, results, survivors

from seatrial.analysis.reasons import Validity
from seatrial.errors import ExitCode
from seatrial.generator.frames import Frame
from seatrial.plan.cases import compile_cases
from seatrial.plan.read import read_plan
from seatrial.record.reader import RunReader
from seatrial.run.agenda import Agenda, Past
from seatrial.seeds import derive

pytestmark = pytest.mark.slow

END_LIMIT_S = 120.0

PLAN = """
name: tiny
systems: [direct]
vary: {connections: [10, 20, 30]}
load: {rate: 100/s, active: 5, connect_rate: 1k/s, timeout: 1 s, resolution: 10 ms, interval: 200 ms, arrival: poisson}
phases: {stable_for: 0 s, warmup: 0 s, measure: 1 s, cooldown: 5 s}
repeat: 1
retry: 0
capacity: never
"""

KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from seatrial.plan.read import read_given_plan
from seatrial.record import events
from seatrial.run.ending import Ending
from seatrial.run.plan import Audience, run_plan

frames = 0

def listener(event):
    global frames
    if sys.argv[2] == "between trials":
        ends = isinstance(event, events.TrialEnded)
    else:
        trial = 2 if sys.argv[2] == "in a trial" else 1
        frames += isinstance(event, events.FrameRecorded) and event.trial == trial
        ends = frames == 4
    if ends:
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(run_plan(read_given_plan(Path(sys.argv[1])), Path("runs"), Audience([listener]), Ending()))
"""


def killed_run(bench: Bench, where: str, measure: str = "1 s") -> Path:
    """Have a run kill itself; return its directory, once nothing of it is left."""
    plan = bench.directory / "plan.yaml"
    plan.write_text(PLAN.replace("measure: 1 s", f"measure: {measure}"))
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(plan), where],
        cwd=bench.directory,
        timeout=END_LIMIT_S,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    run = bench.run_directory()
    assert wait_until(lambda: not survivors(run), START_LIMIT_S), survivors(run)
    return run


def frames_of(run: Path) -> dict[int, tuple[Frame, ...]]:
    with RunReader.open(run) as reader:
        return {trial.trial: reader.frames(trial.trial) for trial in reader.trials()}


@pytest.mark.parametrize(
    ("where", "numbers"), [("between trials", {1: 1, 2: 2, 3: 3}), ("in a trial", {1: 1, 3: 2, 4: 3})]
)
def test_a_run_that_was_killed_is_run_to_its_end(tmp_path: Path, where: str, numbers: dict[int, int]) -> None:
    """``numbers`` are the trials that count, each with its place in a run that nothing interrupts."""
    bench = Bench(tmp_path)
    run = killed_run(bench, where)
    measured = frames_of(run)
    left = run_seatrial("run", "--resume", str(run), "--dry-run")
    assert (
        f"trials    {4 - min(place for number, place in numbers.items() if number not in measured)}"
        in left.stdout
    )
    outcome = run_seatrial("run", str(tmp_path / "plan.yaml"), "--resume", str(run), limit_s=END_LIMIT_S)
    assert "resumed: 1 of 3 planned trials are there" in outcome.stderr
    found = frames_of(run)
    assert {number: found[number] for number in measured} == measured
    assert set(found) == set(numbers) | set(measured)
    plan = read_plan(tmp_path / "plan.yaml")
    agenda, seen = Agenda(plan, compile_cases(plan)), list[Past]()
    with RunReader.open(run) as reader:
        assert reader.run().state == "finished"
        for number, place in numbers.items():
            trial, account, wanted = reader.trial(number), reader.account(number), agenda.next(seen)
            assert trial is not None
            assert account is not None
            assert wanted is not None
            assert (trial.case_id, trial.repeat, trial.state) == (wanted.case.id, wanted.repeat, "completed")
            assert account.asked.seed == derive(derive(plan.seed, "trial", place), "arrivals")
            seen.append(Past(trial.case_id, Validity()))
    document = results(run)
    assert outcome.code == document["run"]["exit_code"]
    assert document["environment_changes"] == []
    assert all(len(case["trials"]) == 1 + (case["attempts"]["set_aside"] > 0) for case in document["cases"])
    again = run_seatrial("run", "--resume", str(run), "--json", "-")
    assert (again.code, "is complete" in again.stderr) == (outcome.code, True)
    assert again.document == document


def test_two_processes_do_not_resume_one_run(tmp_path: Path) -> None:
    run = killed_run(Bench(tmp_path), "in the first trial", measure="1 h")
    measured = frames_of(run)
    with Running("run", "--resume", str(run)) as first:
        # It measures for an hour, so it is there for as long as the second takes to start.
        assert wait_until(lambda: frames_of(run).get(2), START_LIMIT_S)
        second = run_seatrial("run", "--resume", str(run))
        assert second.code == ExitCode.BAD_INPUT
        assert f"its lock is held by a living process ({first.process.pid})" in second.stderr
        first.signal(signal.SIGINT)
        outcome = first.wait(END_LIMIT_S)
    assert outcome.code == ExitCode.INTERRUPTED
    assert f"the rest of it: seatrial run --resume {run}" in outcome.stderr
    found = frames_of(run)
    assert set(found) == {1, 2}
    assert found[1] == measured[1]


def test_a_run_that_cannot_be_written_is_not_gone_on_with(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "64m") as disk:
        run = killed_run(Bench(disk.path), "between trials")
        before = frames_of(run)
        disk.protect()
        outcome = run_seatrial("run", "--resume", str(run))
        assert outcome.code == ExitCode.ENVIRONMENT
        assert "cannot go on with" in outcome.stderr
        assert "Read-only file system" in outcome.stderr
        assert frames_of(run) == before


def test_another_program_is_named_and_not_mixed_in(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    run = killed_run(bench, "between trials")
    with closing(sqlite3.connect(run / "record.db")) as connection:
        (text,) = connection.execute("SELECT document FROM environment").fetchone()
        document = json.loads(text)
        document["binaries"]["origin"]["sha256"] = "ab" * 32
        connection.execute("UPDATE environment SET document = ?", (json.dumps(document),))
        connection.commit()
    outcome = run_seatrial("run", "--resume", str(run))
    assert outcome.code == ExitCode.ENVIRONMENT
    assert f"program origin sha256: {'ab' * 32}, then " in outcome.stderr
    assert set(frames_of(run)) == {1}
    dry = run_seatrial("run", "--resume", str(run), "--dry-run")
    assert (dry.code, "refuse  environment" in dry.stdout) == (ExitCode.ENVIRONMENT, True)
    allowed = run_seatrial("run", "--resume", str(run), "--allow-changed-environment", limit_s=END_LIMIT_S)
    assert "the trials from 2 on were run in another environment" in allowed.stdout
