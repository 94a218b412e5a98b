"""``--json FILE`` and ``--json -``: the same documents for every command that yields data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from seatrial.report.files import unwritable

json_option = click.option(
    "--json",
    "json_target",
    metavar="FILE|-",
    help="Write the result as JSON to a file, or to stdout instead of text.",
)


def write_document(document: dict[str, Any], target: str) -> None:
    """Write a document to a file, or to stdout if ``target`` is ``-``; raises EnvironmentFault."""
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    if target == "-":
        click.echo(text, nl=False)
        return
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        raise unwritable(target, error) from None
