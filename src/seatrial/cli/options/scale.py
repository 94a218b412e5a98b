"""How large a part of a plan's size is asked for."""

from __future__ import annotations

import click

scale_option = click.option(
    "--scale",
    metavar="FRACTION",
    help="Connections, rates, routes, services and proxies at this part of what the plan says, such as 1/10.",
)
