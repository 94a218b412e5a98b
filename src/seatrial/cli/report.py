"""``seatrial report``: make the reports of a run again from its record."""

from __future__ import annotations

from pathlib import Path

import click

from seatrial.cli.documents import json_option, write_document


@click.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def report(context: click.Context, run: Path, json_target: str | None) -> None:
    """Print the results of RUN and write report.html, report.md, results.csv and results.json beside its record.

    Works on a run that was cut off and on one that is still being written. Exits with 0 if every objective
    holds, 1 if one does not, 3 if a trial cannot be believed or is missing.
    """
    from seatrial.analysis.summary import summarise_run
    from seatrial.record.reader import RunReader
    from seatrial.report.json import results_document
    from seatrial.report.terminal import print_summary, stdout_console
    from seatrial.report.write import write_reports

    with RunReader.open(run) as reader:
        summary = summarise_run(reader)
    paths = write_reports(summary, run)
    if json_target:
        write_document(results_document(summary), json_target)
    if json_target != "-":
        print_summary(summary, stdout_console())
        for path in (paths.html, paths.markdown, paths.csv, paths.json):
            click.echo(path)
    context.exit(int(summary.exit_code))
