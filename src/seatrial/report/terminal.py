"""The results in a terminal: a table that fits 100 columns and reads without colour."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from seatrial.report.table import result_rows, set_aside_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

    from seatrial.analysis.model import RunSummary
    from seatrial.report.table import Row

WIDTH_LIMIT = 100
STYLES = {"PASS": "green", "FAIL": "bold red", "INVALID": "bold yellow", "not run": "dim"}
# Heading, key in the rows, whether it is aligned to the right.
COLUMNS = (
    ("system", "system", False),
    ("verdict", "state", False),
    ("achieved/s", "achieved", True),
    ("p50", "p50", True),
    ("p99 of repeats", "p99_repeats", True),
    ("p99.9", "p999", True),
    ("errors", "errors", True),
    ("cores", "cpu", True),
    ("memory MB", "memory", True),
)


def print_summary(summary: RunSummary, console: Console) -> None:
    """Print the table, every reason for doubt, and one sentence for each system."""
    if summary.question:
        console.print(summary.question, style="bold", markup=False, highlight=False)
    for line, style in _lines(result_rows(summary)):
        console.print(line, style=style, markup=False, highlight=False, no_wrap=True, crop=False)
    console.print()
    for case, trial in summary.invalid:
        for cause in trial.validity.causes:
            where = f"{case.case.id}, repeat {trial.repeat}"
            console.print(f"INVALID {where}: {cause.text}", style="yellow", markup=False, highlight=False)
            for reason in trial.validity.consequences(cause):
                console.print(f"        and so: {reason.text}", markup=False, highlight=False)
            console.print(f"        remedy: {cause.remedy}", markup=False, highlight=False)
    for line in set_aside_lines(summary):
        console.print(
            f"set aside: {line}" if line != summary.uneven else line,
            style="dim",
            markup=False,
            highlight=False,
        )
    for system in summary.systems:
        console.print(system.sentence, style=STYLES.get(system.state, ""), markup=False, highlight=False)


def stdout_console() -> Console:
    """Return a console for data: at most 100 columns, colour only in a terminal that wants it."""
    from rich.console import Console

    console = Console(soft_wrap=False)
    if console.width > WIDTH_LIMIT or not console.is_terminal:
        console.width = WIDTH_LIMIT
    return console


def _lines(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    # Lines with their styles. Combinations of variables head their rows: as a column they would not leave room.
    rows = [replace(row, cells={key: _short(text) for key, text in row.cells.items()}) for row in rows]
    headings = {key: heading for heading, key, _ in COLUMNS}
    widths = {
        key: max([len(heading), *(len(row.cells[key]) for row in rows)]) for key, heading in headings.items()
    }
    yield _line(headings, widths), "dim"
    for row in rows:
        if row.first_of_group:
            yield f"{row.cells['case']} ({row.cells['asked']} requests/s asked)", "bold"
        yield _line(row.cells, widths), STYLES.get(row.state, "") if row.state != "PASS" else ""


def _short(text: str) -> str:
    return text.replace("at most ", "\u2264 ")


def _line(cells: Mapping[str, str], widths: Mapping[str, int]) -> str:
    texts = (
        cells[key].rjust(widths[key]) if right else cells[key].ljust(widths[key]) for _, key, right in COLUMNS
    )
    return ("  " + "  ".join(texts)).rstrip()
