"""The script of the charts is made once, and never taken from a file that is not what was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import vl_convert

from seatrial.report.charts.bundle import chart_script

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is made in place of the real script, which takes seconds, each time that it is."""
    seen: list[str] = []

    def make(snippet: str) -> str:
        seen.append(snippet)
        return f"libraries();{snippet}"

    monkeypatch.setattr(vl_convert, "javascript_bundle", make)
    return seen


def test_it_is_made_once_for_all_reports(made, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert {chart_script() for _ in range(3)} == {"libraries();window.vegaEmbed = vegaEmbed;"}
    assert len(made) == 1
    assert len(list((tmp_path / "seatrial").iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"alert(1)", b"\xff\xfe"])
def test_a_file_that_is_not_what_was_made_is_replaced(
    made, tmp_path: Path, monkeypatch, content: bytes
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    script = chart_script()
    (kept,) = (tmp_path / "seatrial").iterdir()
    kept.write_bytes(content)
    assert chart_script() == script
    assert kept.read_text() == script
    assert len(made) == 2


def test_where_nothing_can_be_kept_it_is_made_each_time(made, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert chart_script() == chart_script()
    assert len(made) == 2


def test_without_a_place_of_its_own_it_is_below_the_home(made, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/path")
    monkeypatch.setenv("HOME", str(tmp_path))
    chart_script()
    assert [path.suffix for path in (tmp_path / ".cache/seatrial").iterdir()] == [".js"]
