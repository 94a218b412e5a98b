"""Malformed plans through the real command: located messages, exit code 2, never a traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.program import Outcome, run_seatrial

MALFORMED = Path(__file__).parent / "malformed"
NAMES = sorted(path.name for path in MALFORMED.glob("*.yaml"))


@pytest.fixture
def lint(invoke: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Look through plans as a person does who stands beside them."""
    monkeypatch.chdir(MALFORMED)
    return lambda *files: invoke("plan", "lint", *files)


def test_there_are_enough_of_them():
    assert len(NAMES) >= 15


@pytest.mark.parametrize("name", NAMES)
def test_the_message(name, snapshot, lint):
    run = lint(name)
    assert run.code == 2
    assert run.stdout == ""
    assert f"{name}:" in run.stderr
    assert run.stderr == snapshot


def test_one_bad_file_does_not_hide_the_others(tmp_path, lint):
    good = tmp_path / "good.yaml"
    good.write_text("name: a\nsystems: [direct]\nload: {rate: 1k/s}\nphases: {measure: 10 s}\n")
    run = lint("no_rate.yaml", str(good), "not_yaml.yaml")
    assert run.code == 2
    assert run.stdout == f"{good}: ok\n"
    assert run.stderr.count("error: ") == 2


def test_the_installed_command_says_the_same(lint):
    file = str(MALFORMED / NAMES[0])
    assert run_seatrial("plan", "lint", file) == lint(file)
