"""`seatrial clean` against real records and real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from seatrial.cli.clean import clean
from seatrial.machine import proc
from seatrial.plan.cases import compile_cases
from seatrial.plan.read import read_plan
from seatrial.plan.shown.compiled import compiled_document
from seatrial.record.changes import open_changes
from seatrial.record.writer import RunWriter

if TYPE_CHECKING:
    from pathlib import Path
from typing import Any

SLEEP = "import time; time.sleep(300)"
FORK = "import os, time; os.fork() and print('up', flush=True); time.sleep(300)"


@pytest.fixture
def sleeper():
    with subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True) as process:
        yield process
        process.kill()


def detail_of(process: subprocess.Popen[Any], **changed: object) -> dict[str, object]:
    found = {"pid": process.pid, "started_ticks": proc.started_ticks(process.pid)}
    return {
        "name": "envoy",
        "argv": process.args,
        "log": "log",
        "boot_id": proc.boot_id(),
        **found,
        **changed,
    }


PLAN = """
name: killed
systems: [direct]
load: {rate: 10/s, active: 1}
phases: {measure: 5 s}
"""


def run_with(tmp_path: Path, *details: dict[str, object], close: bool = True) -> RunWriter:
    (tmp_path / "plan.yaml").write_text(PLAN)
    compiled = compiled_document(plan := read_plan(tmp_path / "plan.yaml"), compile_cases(plan))
    writer = RunWriter.create(tmp_path / "runs", "killed", PLAN, json.dumps(compiled))
    for detail in details:
        writer.will_start("process", detail)
    if close:
        writer.close()
    return writer


def invoke(tmp_path: Path, *arguments: str):
    return CliRunner().invoke(clean, ["--runs", str(tmp_path / "runs"), *arguments])


def test_there_is_nothing_left_where_nothing_ever_was(tmp_path: Path) -> None:
    result = invoke(tmp_path)
    assert (result.exit_code, result.output) == (0, f"no runs in {tmp_path / 'runs'}\n")


def test_a_process_that_was_left_is_ended_and_noted(tmp_path: Path, sleeper) -> None:
    writer = run_with(tmp_path, detail_of(sleeper))
    result = invoke(tmp_path)
    assert result.output == f"ended envoy (process {sleeper.pid}) of {writer.path}\n"
    assert result.exit_code == 0
    assert sleeper.wait(10) != 0
    assert open_changes(writer.path) == ((), ())
    assert invoke(tmp_path).output == "nothing left\n"


def test_the_document_says_the_same(tmp_path: Path, sleeper) -> None:
    writer = run_with(tmp_path, detail_of(sleeper))
    document = json.loads(invoke(tmp_path, "--json", "-").output)
    assert document == {
        "schema": "seatrial.clean/1",
        "runs": 1,
        "live": [],
        "unreadable": [],
        "leftovers": [
            {
                "run": str(writer.path), "kind": "process", "name": "envoy", "ended": [sleeper.pid], "left": [],
                "put_back": "", "problem": "",
            }
        ],
    }  # fmt: skip


@pytest.mark.parametrize("changed", [{"started_ticks": 1}, {"boot_id": "another boot"}])
def test_another_process_with_the_same_id_is_left_alone(tmp_path: Path, sleeper, changed) -> None:
    run_with(tmp_path, detail_of(sleeper, **changed))
    assert invoke(tmp_path).output == "nothing left\n"
    assert sleeper.poll() is None


def test_a_run_that_is_going_on_is_left_alone(tmp_path: Path, sleeper) -> None:
    writer = run_with(tmp_path, detail_of(sleeper), close=False)
    result = invoke(tmp_path)
    assert result.output == f"{writer.path} is still going on; left alone\nnothing left\n"
    assert sleeper.poll() is None
    writer.close()


def test_the_workers_of_a_master_that_died_are_ended(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FORK], start_new_session=True, stdout=subprocess.PIPE, text=True
    ) as master:
        assert master.stdout is not None
        assert master.stdout.readline() == "up\n"
        (worker,) = proc.children(master.pid)
        ticks = proc.started_ticks(worker) or 0
        detail = detail_of(master)
        master.kill()
        master.wait()
        assert proc.is_alive(worker, ticks)
        run_with(tmp_path, detail)
        assert f"(process {worker})" in invoke(tmp_path).output
        assert not proc.is_alive(worker, ticks)


def test_an_intent_is_found_by_arguments_that_name_the_run(tmp_path: Path) -> None:
    writer = run_with(tmp_path, close=False)
    argv = [sys.executable, "-c", SLEEP, str(writer.path / "configs/envoy.json")]
    detail = {"name": "envoy", "argv": argv, "log": "log", "boot_id": proc.boot_id()}
    writer.will_start("process", detail)
    writer.will_start("process", {**detail, "argv": [sys.executable, "-c", SLEEP]})
    writer.close()
    with subprocess.Popen(argv) as left, subprocess.Popen([sys.executable, "-c", SLEEP]) as foreign:
        result = invoke(tmp_path)
        assert result.output == f"ended envoy (process {left.pid}) of {writer.path}\n"
        assert foreign.poll() is None
        foreign.kill()


def test_a_broken_record_does_not_keep_the_others_from_being_cleaned(tmp_path: Path, sleeper) -> None:
    broken = tmp_path / "runs" / "0-broken"
    broken.mkdir(parents=True)
    (broken / "record.db").write_bytes(b"no database" * 1000)
    run_with(tmp_path, detail_of(sleeper))
    result = invoke(tmp_path)
    assert "error: " in result.output
    assert f"ended envoy (process {sleeper.pid})" in result.output


def test_a_change_of_a_kind_that_is_not_known_here_is_said_and_kept(tmp_path: Path) -> None:
    writer = run_with(tmp_path, close=False)
    writer.will_start("sysctl", {"name": "net.core.somaxconn"})
    writer.close()
    result = invoke(tmp_path)
    assert result.exit_code == 4
    assert "cannot put back sysctl" in result.output
    assert len(open_changes(writer.path)[0]) == 1
