"""``seatrial report``: make the reports of a run again from its record."""

from __future__ import annotations

from pathlib import Path

import click

from seatrial.cli.console.documents import json_option
from seatrial.cli.results import show_results
from seatrial.report.files import require_writable


@click.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def report(context: click.Context, run: Path, json_target: str | None) -> None:
    """Print the results of RUN and write report.html, report.md, results.csv and results.json beside its record.

    Works on a run that was cut off, on one that is still being written and where nothing can be written: the results
    are printed then, and a warning says which file is missing. Exits with 0 if every objective
    holds, 1 if one does not, 3 if a trial cannot be believed or is missing, 4 if the disk does not take the reports.
    """
    require_writable((json_target,))
    context.exit(int(show_results(run, json_target, every_path=True)))
