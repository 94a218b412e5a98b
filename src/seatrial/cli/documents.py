"""``--json FILE`` and ``--json -``: the same documents for every command that yields data."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from seatrial.errors import EnvironmentFault

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
        raise _unwritable(target, error) from None


def require_writable(targets: Iterable[str | None]) -> None:
    """Raise ``EnvironmentFault`` for the first file that cannot be written; None and ``-`` are no files.

    To be called before the work whose result goes there. What is in a file stays, and none is left behind.
    """
    for target in targets:
        if target is None or target == "-":
            continue
        try:
            _try_to_open(Path(target))
        except OSError as error:
            raise _unwritable(target, error) from None


def _try_to_open(path: Path) -> None:
    was_there = path.exists()
    # A pipe's reader would take the probe for the end, so those are opened once only, when there is something to say.
    if was_there and not path.is_file() and not path.is_dir():
        return
    with path.open("ab"):
        pass
    if not was_there:
        path.unlink()


def _unwritable(target: str, error: OSError) -> EnvironmentFault:
    return EnvironmentFault(
        f"{target} cannot be written: {error.strerror or error}",
        next_step="name a file in a directory that is there and may be written",
    )
