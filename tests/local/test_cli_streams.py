"""stdout and stderr that are closed or full: files are written, exit codes mean what they say, nobody sees a bug."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.made_run import make_run
from tests.support.program import SEATRIAL, TRACEBACK, running_origin

from seatrial.errors import ExitCode
from seatrial.record.reader import RunReader

LOAD = "load {url} -c2 -R50 -d300ms"
NO_STDERR = ("2>&-", "2>/dev/full")
PLAN = "name: a\nsystems: [direct]\nload: {rate: 1k/s}\nphases: {measure: 10 s}\n"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server that makes every load INVALID."""
    with running_origin("--fault", "reset:50%") as origin:
        yield origin.url


def redirected(directory: Path, command: str, redirections: str) -> tuple[int, str, str]:
    """Run a command as a shell does; what a redirection leaves of stdout and stderr is returned."""
    ended = subprocess.run(
        ["sh", "-c", f"exec {shlex.quote(SEATRIAL)} {command} {redirections}"],
        capture_output=True, text=True, cwd=directory, timeout=180, check=False,
    )  # fmt: skip
    assert TRACEBACK not in ended.stderr + ended.stdout
    assert "seatrial has a bug" not in ended.stderr
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize("redirection", NO_STDERR)
def test_progress_that_cannot_be_shown_changes_nothing(tmp_path: Path, url: str, redirection: str) -> None:
    code, stdout, _ = redirected(tmp_path, f"{LOAD.format(url=url)} --json -", redirection)
    assert code == ExitCode.INVALID_MEASUREMENT
    assert json.loads(stdout)["requests"]["intended"] == 15


@pytest.mark.parametrize("redirection", NO_STDERR)
def test_an_error_that_cannot_be_shown_keeps_its_exit_code(tmp_path: Path, redirection: str) -> None:
    assert redirected(tmp_path, "load http://127.0.0.1:0/ -R1", redirection)[0] == ExitCode.BAD_INPUT


@pytest.mark.parametrize(
    ("flags", "redirection"), [("-q --json load.json --csv load.csv", ">/dev/full"), ("--json -", ">&-")]
)
def test_data_that_is_lost_is_a_fault_that_names_the_stream(
    tmp_path: Path, url: str, flags: str, redirection: str
) -> None:
    code, _, stderr = redirected(tmp_path, f"{LOAD.format(url=url)} {flags}", redirection)
    assert code == ExitCode.ENVIRONMENT
    assert "error: stdout cannot be written: " in stderr
    if "load.json" in flags:
        assert json.loads((tmp_path / "load.json").read_text())["requests"]["intended"] == 15
        assert (tmp_path / "load.csv").read_text().count("\n") > 1


@pytest.mark.parametrize(
    ("redirection", "commands"),
    [(">&-", ("--help", "check")), (">/dev/full", ("plan show plan.yaml", "report {run}"))],
)
def test_no_command_is_without_it(tmp_path: Path, redirection: str, commands: tuple[str, ...]) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN)
    run = make_run(tmp_path, trials=2)
    for command in commands:
        code, _, stderr = redirected(tmp_path, command.format(run=run), redirection)
        assert (code, "error: stdout cannot be written: " in stderr) == (ExitCode.ENVIRONMENT, True), command


def test_nothing_is_written_into_a_file_that_took_a_closed_streams_number(tmp_path: Path) -> None:
    """Without stderr the next file that is opened has its number: a record would get what is said on stderr."""
    run = make_run(tmp_path, trials=2)
    assert redirected(tmp_path, f"note {run} text", "<&- >&- 2>&-")[0] == ExitCode.PASS
    with RunReader.open(run) as reader:
        assert "text" in [entry.text for entry in reader.journal() if entry.author == "person"]
