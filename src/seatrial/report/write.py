"""Every report of a run, written beside its record."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.record.storage import storage_fault
from seatrial.report.csv import results_csv
from seatrial.report.html import render_html
from seatrial.report.json import results_json
from seatrial.report.markdown import render_markdown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seatrial.analysis.run.model import RunSummary


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """Where the reports are."""

    html: Path
    markdown: Path
    csv: Path
    json: Path


def write_reports(summary: RunSummary, directory: Path) -> ReportPaths:
    """Write all four reports into a run directory, each whole or not at all; raise ``StorageFault`` if not."""
    paths = ReportPaths(
        directory / "report.html",
        directory / "report.md",
        directory / "results.csv",
        directory / "results.json",
    )
    _write(paths.json, results_json(summary))
    for path, render in (
        (paths.csv, results_csv),
        (paths.markdown, render_markdown),
        (paths.html, render_html),
    ):
        _write(path, (render(summary).encode(errors="backslashreplace"),))
    return paths


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    # A reader never sees half a file, not even when this process is killed here.
    _sweep(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.writelines(pieces)
        draft.replace(path)
    except OSError as error:
        next_step = f"free some space there, or copy the run elsewhere, then: seatrial report {path.parent}"
        raise storage_fault(f"{path} cannot be written", error, path.parent, next_step) from error
    finally:
        # Half a file takes the room that the next attempt needs.
        with suppress(OSError):
            draft.unlink()


def _sweep(path: Path) -> None:
    """Remove what a process that was killed had written of this file."""
    for draft in path.parent.glob(f".{path.name}.*"):
        pid = draft.name.rpartition(".")[2]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            with suppress(OSError):
                draft.unlink()
