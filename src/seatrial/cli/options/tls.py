"""The flags that say how to speak TLS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from seatrial.workload.words.tls import VERSIONS

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

OPTIONS = (
    click.option("--insecure", is_flag=True, help="Accept any certificate."),
    click.option(
        "--ca", type=_FILE, help="Who may have issued the certificate (PEM); else the platform's roots."
    ),
    click.option("--cert", type=_FILE, help="The client's certificate (PEM)."),
    click.option("--key", type=_FILE, help="The key of --cert (PEM)."),
    click.option("--sni", metavar="NAME", help="The name to ask for and to verify; the URL's if not given."),
    click.option("--tls", type=click.Choice(VERSIONS), help="Only this version; else both."),
    click.option("--alpn", default="http/1.1", show_default=True, metavar="LIST", help="Protocols to offer."),
    click.option("--no-resumption", is_flag=True, help="Make every TLS handshake a full one."),
)


def tls_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command
