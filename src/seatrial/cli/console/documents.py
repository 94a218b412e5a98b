"""``--json FILE`` and ``--json -``: the same documents for every command that yields data."""

from __future__ import annotations

import json
from collections.abc import Iterable
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
    write_pieces([(json.dumps(document, indent=2, allow_nan=False) + "\n").encode()], target)


def write_pieces(pieces: Iterable[bytes], target: str) -> None:
    """Write what comes in pieces, as ``write_document``."""
    if target == "-":
        for piece in pieces:
            click.echo(piece, nl=False)
        return
    try:
        with Path(target).open("wb") as file:
            file.writelines(pieces)
    except OSError as error:
        raise unwritable(target, error) from None
