"""``seatrial export``: a run in the formats of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from seatrial.cli.console.documents import json_option, write_document, write_pieces
from seatrial.report.files import require_writable, unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.report.tidy.run import Run

_directory = click.Path(path_type=Path, file_okay=False)


@click.command(short_help="Write a run as Parquet, CSV, histogram logs or JSON.")
@click.argument("run", metavar="[RUN]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--parquet", metavar="DIR", type=_directory, help="A Parquet file a table; needs seatrial[parquet]."
)
@click.option("--csv", metavar="DIR", type=_directory, help="A CSV file a table.")
@click.option(
    "--hdr-log",
    metavar="DIR",
    type=_directory,
    help="A V2 histogram log for each trial and kind, workers merged.",
)
@click.option(
    "--openmetrics",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What `--metrics` exposed, with times: for `promtool tsdb create-blocks-from openmetrics`.",
)
@json_option
@click.option(
    "--schema",
    type=click.Choice(("results", "load")),
    help="Print the JSON Schema of a document; needs no RUN.",
)
def export(run: Path | None, json_target: str | None, schema: str | None, **targets: Path | None) -> None:
    """Write RUN, finished, cut off or live, in the formats of other tools; prints what was written.

    The tables are those of `seatrial.open_run` in Python. Every row of figures has a column `validity`: figures of an
    INVALID trial are written, too, and may not be believed.
    """
    if schema is not None:
        from seatrial.report.schemas.documents import schema_of

        write_document(schema_of(schema), "-")
        return
    if run is None:
        raise click.UsageError("name the RUN to export")
    if not (json_target or any(targets.values())):
        raise click.UsageError(
            "say what to write: --parquet DIR, --csv DIR, --hdr-log DIR, --openmetrics FILE or --json FILE"
        )
    require_writable((targets["openmetrics"], json_target))
    from seatrial.report.tidy.run import open_run

    opened = open_run(run)
    for path in _written(opened, run, **targets):
        click.echo(path, err=json_target == "-")
    if json_target is not None:
        from seatrial.report.json import results_json

        write_pieces(results_json(opened.summary), json_target)
    _warn(opened)


def _written(
    run: Run,
    path: Path,
    *,
    parquet: Path | None,
    csv: Path | None,
    hdr_log: Path | None,
    openmetrics: Path | None,
) -> Iterator[Path]:
    # An exporter a flag: what is not asked for is not imported.
    if parquet is not None:
        from seatrial.report.export.parquet import export_parquet

        yield from export_parquet(run, parquet)
    if csv is not None:
        from seatrial.report.export.csv import export_csv

        yield from export_csv(run, csv)
    if hdr_log is not None:
        from seatrial.report.export.hdr_log import export_hdr_log

        yield from export_hdr_log(run, hdr_log)
    if openmetrics is not None:
        from seatrial.live.exposition.history import openmetrics_of

        try:
            openmetrics.write_bytes(openmetrics_of(path))
        except OSError as error:
            raise unwritable(openmetrics, error) from None
        yield openmetrics


def _warn(run: Run) -> None:
    doubted = run.trials.where(validity="INVALID").rows
    if doubted:
        click.echo(f"warning: {doubted} of {run.trials.rows} trials are INVALID: see `validity`", err=True)
