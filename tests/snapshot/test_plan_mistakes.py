"""Malformed plans through the real command: located messages, exit code 2, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# The installed command, beside the interpreter that runs the tests.
SEATRIAL = str(Path(sys.executable).with_name("seatrial"))
MALFORMED = Path(__file__).parent / "malformed"
NAMES = sorted(path.name for path in MALFORMED.glob("*.yaml"))


def lint(*files: str) -> subprocess.CompletedProcess[str]:
    command = [SEATRIAL, "plan", "lint", *files]
    return subprocess.run(command, cwd=MALFORMED, capture_output=True, text=True, timeout=60, check=False)


def test_there_are_enough_of_them():
    assert len(NAMES) >= 15


@pytest.mark.parametrize("name", NAMES)
def test_the_message(name, snapshot):
    run = lint(name)
    assert run.returncode == 2
    assert run.stdout == ""
    assert "Traceback" not in run.stderr
    assert f"{name}:" in run.stderr
    assert run.stderr == snapshot


def test_one_bad_file_does_not_hide_the_others(tmp_path):
    good = tmp_path / "good.yaml"
    good.write_text("name: a\nsystems: [direct]\nload: {rate: 1k/s}\nphases: {measure: 10 s}\n")
    run = lint("no_rate.yaml", str(good), "not_yaml.yaml")
    assert run.returncode == 2
    assert run.stdout == f"{good}: ok\n"
    assert run.stderr.count("error: ") == 2
