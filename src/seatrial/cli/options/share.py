"""``--share-machine``, of every command that measures."""

from __future__ import annotations

import click

share_option = click.option(
    "--share-machine",
    is_flag=True,
    help="Begin although another measurement goes on on this machine; every output says so.",
)
