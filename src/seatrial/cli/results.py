"""The results of a run on stdout, and its reports beside its record: what ``run`` and ``report`` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seatrial.cli.console.documents import write_pieces
from seatrial.cli.console.errors import print_error
from seatrial.errors import ExitCode, StorageFault

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.analysis.run.model import RunSummary
    from seatrial.report.write import ReportPaths


def show_results(directory: Path, json_target: str | None, *, every_path: bool) -> ExitCode:
    """Print the results of a run and write its reports; return the exit code of its verdict.

    What was measured is shown first, whatever becomes of the files. Where they cannot be written the code is that of a
    failure of the environment, but not where a place that may only be read was read, or where all that was asked for
    is on stdout. Raises ``RecordError`` where there is nothing to show.
    """
    from seatrial.analysis.run.summary import summarise_run
    from seatrial.record.reader import RunReader

    with RunReader.open(directory) as reader:
        summary = summarise_run(reader)
        damage = reader.damage
    _print(summary, json_target)
    for one in damage:
        click.echo(f"warning: the record is damaged: {one}", err=True)
    are_written = _write_reports(summary, directory, json_target, every_path=every_path)
    if json_target not in {None, "-"}:
        _write_json(summary, json_target)
    return ExitCode(summary.exit_code) if are_written else ExitCode.ENVIRONMENT


def _print(summary: RunSummary, json_target: str | None) -> None:
    from seatrial.report.terminal import print_summary, stdout_console

    if json_target == "-":
        _write_json(summary, json_target)
    else:
        print_summary(summary, stdout_console())


def _write_json(summary: RunSummary, json_target: str | None) -> None:
    from seatrial.report.json import results_json

    write_pieces(results_json(summary), json_target or "-")


def _write_reports(
    summary: RunSummary, directory: Path, json_target: str | None, *, every_path: bool
) -> bool:
    """Return whether nothing is missing that was asked for."""
    from seatrial.report.write import write_reports

    try:
        paths = write_reports(summary, directory)
    except StorageFault as fault:
        if fault.is_read_only or json_target == "-":
            click.echo(f"warning: {fault.what}: {fault.cause}", err=True)
            return True
        print_error(fault)
        return False
    if json_target != "-":
        _print_paths(paths, every_path=every_path)
    return True


def _print_paths(paths: ReportPaths, *, every_path: bool) -> None:
    if every_path:
        for path in (paths.html, paths.markdown, paths.csv, paths.json):
            click.echo(path)
    else:
        click.echo(f"report: {paths.html}")
