"""The report for a pull request or a wiki: the same words and tables as the page, without the charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.report import balance, kernel, settings
from seatrial.report.doubts import doubted_text, doubts
from seatrial.report.during import (
    controllers,
    discovered,
    discovery,
    disturbances,
    objects,
    observed,
    scraped,
)
from seatrial.report.facts import (
    DOUBTS,
    GROWTH,
    METHOD,
    SET_ASIDE,
    environment_facts,
    network_facts,
    repeats_text,
    when_text,
)
from seatrial.report.table import (
    COUNT_HEADINGS,
    count_rows,
    ours_lines,
    resource_columns,
    resource_rows,
    result_columns,
    result_rows,
    set_aside_lines,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from seatrial.analysis.run.model import RunSummary
    from seatrial.report.table import Column, Row


def render_markdown(summary: RunSummary) -> str:
    """Return the text."""
    return "\n".join(_lines(summary)) + "\n"


def _lines(summary: RunSummary) -> Iterator[str]:
    yield f"# {_plain(summary.question or summary.run.name)}"
    yield ""
    yield f"{summary.run.name}, {when_text(summary.run)}, {repeats_text(summary)}"
    if summary.objectives:
        yield f"\nAsked of every case: {', '.join(f'`{objective.text}`' for objective in summary.objectives)}"
    for finding in summary.findings:
        yield f"\n**{_plain(finding)}**"
    for answer in summary.answers:
        yield f"\n{_plain(answer)}"
    yield ""
    yield from (f"- **{_plain(system.sentence)}**" for system in summary.systems)
    yield from (f"- {_plain(sentence)}" for sentence in (*summary.in_order, *summary.isolation))
    yield from _doubts(summary)
    yield from _set_aside(summary)
    yield "\n## Results\n"
    rows = result_rows(summary)
    columns = result_columns(summary)
    if discovered.only_discoverers(summary):
        yield f"{discovered.HOW_TO_READ}\n"
    yield from _table([column.heading for column in columns], _cells(columns, rows))
    for part in _BELOW_RESULTS:
        yield from part(summary)
    yield "\n## What the systems used\n"
    columns = resource_columns(summary)
    yield from _table([column.heading for column in columns], _cells(columns, resource_rows(summary)))
    yield from _kernel(summary)
    yield from _settings(summary)
    if not discovered.only_discoverers(summary):
        yield "\n## Do the counts agree?\n"
        yield from _table(COUNT_HEADINGS, count_rows(summary))
    yield "\n## Environment\n"
    facts = (*environment_facts(summary.environment), *network_facts(summary))
    yield from _table(("What", "Value"), facts)
    yield "\n## Journal\n"
    entries = [f"- {entry.at_utc[:19]}Z, {entry.author}: {_plain(entry.text)}" for entry in summary.journal]
    yield from entries or ["Empty."]
    yield "\n## The plan\n"
    yield f"```yaml\n{summary.plan_text.rstrip()}\n```"
    yield "\n## How to read these numbers\n"
    yield from (f"- **{term}** {meaning}" for term, meaning in METHOD)


def _doubts(summary: RunSummary) -> Iterator[str]:
    if summary.run.state != "finished":
        yield f"\n> **This run is {summary.run.state}.** What was measured until then is below."
    doubted = doubted_text(summary)
    if not doubted:
        return
    yield f"\n> **{doubted}.** {DOUBTS}"
    for doubt in doubts(summary):
        so = "".join(f"; and so: {_plain(text)}" for text in doubt.consequences)
        yield f"> - {doubt.where}: {_plain(doubt.text)} ({doubt.fault}){so}. Remedy: {_plain(doubt.remedy)}."


def _set_aside(summary: RunSummary) -> Iterator[str]:
    lines = set_aside_lines(summary)
    if lines:
        yield f"\n> **{summary.set_aside} of {summary.trials} attempts were set aside.** {SET_ASIDE}"
        yield from (f"> - {_plain(line)}" for line in lines)


def _ours(summary: RunSummary) -> Iterator[str]:
    lines = ours_lines(summary)
    if lines:
        yield "\nWhat of these may be the generator's own:\n"
        yield from (f"- {_plain(line)}" for line in lines)


def _growth(summary: RunSummary) -> Iterator[str]:
    if summary.growth:
        yield f"\n{GROWTH}\n"
        yield from (f"- {_plain(growth.sentence)}" for growth in summary.growth)


def _disturbances(summary: RunSummary) -> Iterator[str]:
    rows = disturbances.disturbance_rows(summary)
    if rows:
        yield f"\n{disturbances.HEADING}\n"
        yield from _table(disturbances.COLUMNS, rows)


def _objects(summary: RunSummary) -> Iterator[str]:
    rows = objects.object_rows(summary)
    if rows:
        yield f"\n{objects.HEADING}\n"
        yield from _table(objects.COLUMNS, rows)


def _discovery(summary: RunSummary) -> Iterator[str]:
    if rows := discovery.discovery_rows(summary):
        yield f"\n{discovery.HEADING}\n"
        yield from _table(discovery.COLUMNS, rows)
        yield f"\n{discovery.QUEUE_HEADING}\n"
        yield from _table(discovery.QUEUE_COLUMNS, discovery.queue_rows(summary))


def _controllers(summary: RunSummary) -> Iterator[str]:
    rows = controllers.controller_rows(summary)
    if rows:
        yield f"\n{controllers.HEADING}\n"
        yield from _table(controllers.COLUMNS, rows)


def _observed(summary: RunSummary) -> Iterator[str]:
    if rows := observed.observed_rows(summary):
        yield f"\n{observed.HEADING}\n"
        yield from _table(observed.COLUMNS, rows)
    if rows := observed.over_rows(summary):
        yield f"\n{observed.OVER_HEADING}\n"
        yield from _table(observed.OVER_COLUMNS, rows)
    if notes := observed.observed_notes(summary):
        yield f"\n{observed.NOTES_HEADING}\n"
        yield from (f"- {_plain(note)}" for note in notes)


def _scraped(summary: RunSummary) -> Iterator[str]:
    if rows := scraped.scraped_rows(summary):
        yield f"\n{scraped.HEADING}\n"
        yield from _table(scraped.COLUMNS, rows)
    if rows := scraped.how_rows(summary):
        yield f"\n{scraped.HOW_HEADING}\n"
        yield from _table(scraped.HOW_COLUMNS, rows)


def _balance(summary: RunSummary) -> Iterator[str]:
    lines = balance.balance_lines(summary)
    if lines:
        yield f"\n{balance.HEADING}\n"
        yield from (f"- {_plain(line)}" for line in lines)


def _kernel(summary: RunSummary) -> Iterator[str]:
    lines = kernel.kernel_lines(summary)
    if lines:
        yield f"\n{kernel.HEADING}\n"
        yield from (f"- {_plain(line)}" for line in lines)


def _settings(summary: RunSummary) -> Iterator[str]:
    if rows := settings.setting_rows(summary):
        yield f"\n## {settings.TITLE}\n"
        yield from _table(settings.HEADINGS, rows)


def _cells(columns: Sequence[Column], rows: Sequence[Row]) -> list[list[str]]:
    return [[row.cells[column.key] for column in columns] for row in rows]


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(_plain(cell) for cell in row)} |"


def _plain(text: str) -> str:
    # A bar ends a cell, a line break ends a table, and angle brackets would be read as HTML.
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


_BELOW_RESULTS = (
    _disturbances,
    _objects,
    _discovery,
    _controllers,
    _observed,
    _scraped,
    _growth,
    _ours,
    _balance,
)
