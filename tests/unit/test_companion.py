"""The process that shows a run: how it ends is in the journal, unless a person would not wait for it."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from tests.support.made_run import make_run

from seatrial.record import events
from seatrial.record.reader import RunReader
from seatrial.run.companion import Companion

if TYPE_CHECKING:
    from pathlib import Path

GONE = "what shows this run ended with 3: see logs/views.log; the run goes on"


@pytest.mark.parametrize(
    ("program", "is_in_a_hurry", "noted"),
    [
        ("exit 3", False, [GONE]),
        ("read end; exit 3", False, ["what showed this run did not come to its end (3): see logs/views.log"]),
        (
            "read end; sleep 60",
            False,
            ["what showed this run did not come to its end (-9): see logs/views.log"],
        ),
        ("read end; sleep 60", True, []),
        ("read end; exit 0", False, []),
    ],
)
def test_how_what_shows_a_run_ends_is_noted(
    program: str, is_in_a_hurry: bool, noted: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "runs", trials=1)
    script = tmp_path / "python"
    # The shell itself is what is ended.
    script.write_text(f"#!/bin/sh\n{program.replace('sleep', 'exec sleep')}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr("seatrial.run.companion.sys.executable", str(script))
    monkeypatch.setattr("seatrial.run.companion.END_LIMIT_S", 1.0)
    seen: list[str] = []
    with Companion(tmp_path / "runs", ["--no-page"], lambda: is_in_a_hurry) as companion:
        companion.note = seen.append
        companion(events.RunStarted(run.name, "made-run", 1))
        if noted == [GONE]:
            assert companion._reader is not None
            companion._reader.join(20.0)
    with RunReader.open(run) as reader:
        assert [entry.text for entry in reader.journal() if entry.author == "seatrial"][-1:] == noted
    assert seen == noted
