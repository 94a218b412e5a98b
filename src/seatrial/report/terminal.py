"""The results in a terminal: what the run answers, what is in doubt, and a table, readable without colour.

In a terminal text is wrapped at its width, and a table that is wider is printed in parts below each other. Elsewhere
lines are as long as they are: who reads them wraps them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from seatrial.report import balance
from seatrial.report.doubts import doubts
from seatrial.report.during import controllers, discovered, discovery, disturbances, objects, observed
from seatrial.report.facts import GROWTH
from seatrial.report.table import NONE, ours_by_system, result_rows, set_aside_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

    from seatrial.analysis.run.model import RunSummary
    from seatrial.report.table import Row

# Longer lines are hard to read.
WIDTH_LIMIT = 100
STYLES = {
    "PASS": "green",
    "FAIL": "bold red",
    "INVALID": "bold yellow",
    "not run": "dim",
    "unfinished": "bold yellow",
}
INDENT, BETWEEN = "  ", "  "
# Heading, key in the rows, whether it is aligned to the right.
Heading = tuple[str, str, bool]
COLUMNS: tuple[Heading, ...] = (
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
DISCOVERED_COLUMNS: tuple[Heading, ...] = (
    *COLUMNS[:2],
    *((heading.lower(), key, True) for key, heading in discovered.HEADINGS.items()),
    *COLUMNS[-2:],
)
"""Of a run of discoverers only."""


def print_summary(summary: RunSummary, console: Console) -> None:
    """Print what must be known first, then what the run answers, verdicts, every cause of doubt, and the table."""
    if summary.question:
        _say(console, summary.question, "bold")
    for finding in summary.findings:
        _say(console, finding, "bold red")
    for answer in summary.answers:
        _say(console, answer)
    if summary.answers:
        console.print()
    for system in summary.systems:
        _say(console, system.sentence, STYLES.get(system.state, ""))
    for sentence in (*summary.in_order, *summary.isolation):
        _say(console, sentence)
    _print_doubts(summary, console)
    for line in set_aside_lines(summary):
        _say(console, f"set aside: {line}" if line != summary.uneven else line, "dim")
    console.print()
    width = console.width if console.is_terminal else None
    columns = DISCOVERED_COLUMNS if discovered.only_discoverers(summary) else COLUMNS
    for line, style in _lines(result_rows(summary), columns, width):
        console.print(
            line, style=style, markup=False, highlight=False, no_wrap=True, crop=False, soft_wrap=True
        )
    ours = ours_by_system(summary)
    _say_below(console, "What of these may be the generator's own (the report has each case):", ours)
    _say_below(console, GROWTH, [growth.sentence for growth in summary.growth])
    _say_below(console, disturbances.HEADING, disturbances.disturbance_lines(summary))
    _say_below(console, objects.HEADING, objects.object_lines(summary))
    _say_below(console, discovery.HEADING, discovery.discovery_lines(summary))
    _say_below(console, controllers.HEADING, controllers.controller_lines(summary))
    _say_below(console, observed.HEADING, observed.observed_lines(summary))
    _say_below(console, balance.HEADING, balance.balance_lines(summary))


def _say_below(console: Console, heading: str, lines: Sequence[str]) -> None:
    for line in ("", heading, *lines) if lines else ():
        _say(console, line, "dim")


def stdout_console() -> Console:
    """Return a console for data: at most 100 columns, colour only in a terminal that wants it."""
    from rich.console import Console

    console = Console()
    if console.is_terminal:
        console.width = min(console.width, WIDTH_LIMIT)
    return console


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=not console.is_terminal)


def _print_doubts(summary: RunSummary, console: Console) -> None:
    for doubt in doubts(summary):
        _say(console, f"INVALID {doubt.where}: {doubt.text}", "yellow")
        for text in doubt.consequences:
            _say(console, f"        and so: {text}")
        _say(console, f"        remedy: {doubt.remedy}")


def _lines(rows: Sequence[Row], columns: Sequence[Heading], width: int | None) -> Iterator[tuple[str, str]]:
    # Lines with their styles. Combinations of variables head their rows: as a column they would not leave room.
    rows = [replace(row, cells={key: _short(text) for key, text in row.cells.items()}) for row in rows]
    headings = {key: heading for heading, key, _ in columns}
    widths = {
        key: max([len(heading), *(len(row.cells[key]) for row in rows)]) for key, heading in headings.items()
    }
    for number, part in enumerate(_parts(columns, widths, width)):
        if number:
            yield "", ""
        yield _line(headings, part, widths), "dim"
        for row in rows:
            if row.first_of_group:
                yield _group(row), "bold"
            yield _line(row.cells, part, widths), STYLES.get(row.state, "") if row.state != "PASS" else ""


def _parts(columns: Sequence[Heading], widths: Mapping[str, int], width: int | None) -> list[list[Heading]]:
    """Return the columns, in as many parts as the width needs; each begins with the system."""
    system, *others = columns
    parts = [[system]]
    for column in others:
        wanted = (
            len(INDENT) + sum(widths[key] + len(BETWEEN) for _, key, _ in [*parts[-1], column]) - len(BETWEEN)
        )
        if width is not None and wanted > width and len(parts[-1]) > 1:
            parts.append([system])
        parts[-1].append(column)
    return parts


def _group(row: Row) -> str:
    asked = row.cells["asked"]
    if asked == NONE:
        return row.cells["case"]
    return f"{row.cells['case']} ({f'{asked} requests/s asked' if asked[:1].isdigit() else asked})"


def _short(text: str) -> str:
    return text.replace("at most ", "\u2264 ")


def _line(cells: Mapping[str, str], columns: Sequence[Heading], widths: Mapping[str, int]) -> str:
    texts = (
        cells[key].rjust(widths[key]) if right else cells[key].ljust(widths[key]) for _, key, right in columns
    )
    return (INDENT + BETWEEN.join(texts)).rstrip()
