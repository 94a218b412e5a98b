"""Output whose reader leaves before its end, as ``head`` does: the verdict stays, and nobody sees a traceback."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from tests.support.made_run import Twist, make_run
from tests.support.program import SEATRIAL, TRACEBACK, running_origin

from seatrial.errors import ExitCode

LOAD = ("-c2", "-R50", "-d300ms", "--csv", "series.csv")


@pytest.fixture(scope="module")
def broken_url() -> Iterator[str]:
    """A server that makes every load INVALID."""
    with running_origin("--fault", "reset:50%") as origin:
        yield origin.url


def run_unread(
    *arguments: str, directory: Path, stderr: IO[bytes] | int, unbuffered: str = ""
) -> subprocess.CompletedProcess[bytes]:
    """Run the program with a pipe as its stdout that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [SEATRIAL, *arguments],
            stdout=writer,
            stderr=writer if stderr == subprocess.STDOUT else stderr,
            cwd=directory,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_load_that_nobody_reads_keeps_its_exit_code_and_writes_its_files(
    tmp_path: Path, broken_url: str, unbuffered: str
) -> None:
    ended = run_unread(
        "load", broken_url, *LOAD, directory=tmp_path, stderr=subprocess.PIPE, unbuffered=unbuffered
    )
    assert ended.returncode == ExitCode.INVALID_MEASUREMENT
    assert TRACEBACK.encode() not in ended.stderr
    assert b"Broken" not in ended.stderr
    assert (tmp_path / "series.csv").read_text().count("\n") > 1


def test_progress_that_nobody_reads_ends_no_load(tmp_path: Path, broken_url: str) -> None:
    ended = run_unread("load", broken_url, *LOAD, directory=tmp_path, stderr=subprocess.STDOUT)
    assert ended.returncode == ExitCode.INVALID_MEASUREMENT
    assert (tmp_path / "series.csv").exists()


def test_a_report_that_nobody_reads_keeps_its_exit_code(tmp_path: Path) -> None:
    run = make_run(tmp_path, twists={1: Twist(lateness_us=9_000)}, systems=("direct",))
    ended = run_unread("report", str(run), directory=tmp_path, stderr=subprocess.PIPE)
    assert ended.returncode == ExitCode.INVALID_MEASUREMENT
    assert TRACEBACK.encode() not in ended.stderr


def test_help_that_nobody_reads_is_no_failure(tmp_path: Path) -> None:
    ended = run_unread("--help", directory=tmp_path, stderr=subprocess.PIPE)
    assert (ended.returncode, ended.stderr) == (ExitCode.PASS, b"")
