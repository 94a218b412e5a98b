"""The tables of a run as CSV, a file each. Units are in the headers; an empty cell is "not known"."""

from __future__ import annotations

import csv
from datetime import datetime
from typing import TYPE_CHECKING

from seatrial.report.export.files import draft_of, make_directory
from seatrial.report.tidy.table import plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seatrial.report.tidy.run import Run


def export_csv(run: Run, directory: Path) -> Iterator[Path]:
    """Write each table and yield its file; raise ``EnvironmentFault`` where one cannot be written."""
    make_directory(directory)
    for table in run.tables():
        path = directory / f"{table.name}.csv"
        with (
            draft_of(path) as draft,
            draft.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
        ):
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(table)
            rows.writerows(zip(*(map(_cell, plain(array)) for array in table.values()), strict=True))
        yield path


def _cell(value: object) -> object:
    # All times are UTC.
    return f"{value.isoformat(timespec='milliseconds')}Z" if isinstance(value, datetime) else value
