"""How an error reaches a person: what happened, why, what to do next; on stderr, readable without colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from seatrial.errors import SeatrialError


def print_error(error: SeatrialError) -> None:
    """Write ``error: ...`` to stderr, then ``cause: ...`` and ``hint: ...`` where there are any."""
    click.echo(f"error: {error.what}", err=True)
    if error.cause:
        click.echo(f"cause: {error.cause}", err=True)
    if error.next_step:
        click.echo(f"hint: {error.next_step}", err=True)
