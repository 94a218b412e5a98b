"""Where ``seatrial load`` writes to is tried before there is anything to write."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.hostile import ANSWER, always, serving
from tests.support.program import run_seatrial

from seatrial.errors import EnvironmentFault, ExitCode
from seatrial.report.files import require_writable

FLAGS = ("--hdr-log", "--csv", "--json")


@pytest.mark.parametrize("flag", FLAGS)
def test_a_file_that_cannot_be_written_is_reported_before_anything_is_sent(tmp_path: Path, flag: str) -> None:
    asked: list[int] = []
    target = tmp_path / "not-there" / "file"
    with serving(lambda _: asked.append(1)) as url:
        outcome = run_seatrial("load", "-q", "-c1", "-R10", "-d1s", flag, str(target), url)
    assert outcome.code == ExitCode.ENVIRONMENT, outcome
    assert f"{target} cannot be written: No such file or directory" in outcome.stderr
    assert not asked


def test_a_probe_keeps_what_is_there_and_leaves_nothing(tmp_path: Path) -> None:
    there, not_there = tmp_path / "there", tmp_path / "not-there"
    there.write_text("kept")
    require_writable((None, "-", str(there), str(not_there), "/dev/null"))
    assert there.read_text() == "kept"
    assert not not_there.exists()
    with pytest.raises(EnvironmentFault, match="Is a directory"):
        require_writable((str(tmp_path),))


@pytest.mark.parametrize("flag", FLAGS)
def test_what_was_measured_is_printed_though_a_disk_is_full(flag: str) -> None:
    with serving(always(ANSWER)) as url:
        outcome = run_seatrial("load", "-q", "-c1", "-R10", "-d1s", flag, "/dev/full", url)
    assert outcome.code == ExitCode.ENVIRONMENT, outcome
    assert "/dev/full cannot be written: No space left on device" in outcome.stderr
    assert "10 requests intended" in outcome.stdout
