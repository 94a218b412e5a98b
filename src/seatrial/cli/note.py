"""``seatrial note``: a person's entry in the journal of a run."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("text", metavar="TEXT")
def note(run: Path, text: str) -> None:
    """Add TEXT to the journal of RUN, also while it is running; the next report shows it."""
    from seatrial.record.journal import add_note

    add_note(run, text)
    click.echo(f"noted in {run}", err=True)
