"""``seatrial serve``: a page that shows a run while it goes on, and afterwards."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from seatrial.live.web.guard import Guard

DEFAULT_LISTEN = "127.0.0.1:8765"
TOKEN_SHORTEST = 16
NICENESS = 10


class ListenAddress(click.ParamType[tuple[str, int]]):
    """``ADDRESS:PORT``, an IPv6 address in brackets; to (address, port)."""

    name = "address"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Return both; fail in words where it is none."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\[\]:/\s]+)):(\d{1,5})", str(value))
        if found is None or int(found[3]) > 65_535:
            self.fail(f"{value!r} is no address with a port, such as {DEFAULT_LISTEN} or [::1]:0", param, ctx)
        return found[1] or found[2], int(found[3])


@click.command(short_help="Show a run in a browser, live or finished.")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--listen",
    type=ListenAddress(),
    default=DEFAULT_LISTEN,
    show_default=True,
    metavar="ADDRESS:PORT",
    help="Where to listen; port 0 is any that is free. Beyond this machine a token is needed.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="A file with the token that a browser has to give, on this machine too. Without, one is made where needed.",
)
@click.option("--with-parent", is_flag=True, hidden=True, help="End when stdin ends.")
def serve(run: Path, listen: tuple[str, int], token_file: Path | None, *, with_parent: bool) -> None:
    """Show RUN, a run directory or a folder of them, in a browser, until Ctrl-C.

    The page reads the record and changes nothing but for notes that are typed in it, so it may be opened, closed and
    started again at any time. Its URL goes to stderr.
    """
    from seatrial.live.web.guard import Guard, is_loopback, names_of

    host, port = listen
    token = None if token_file is None else _token_in(token_file)
    if token is None and not is_loopback(host):
        import secrets

        token = secrets.token_urlsafe()
    guard = Guard(names_of(host), token)
    asyncio.run(_serve(run, (host, port), guard, with_parent=with_parent))


async def _serve(run: Path, listen: tuple[str, int], guard: Guard, *, with_parent: bool) -> None:
    from seatrial.live.serve import Listening, serving, until_stopped
    from seatrial.live.web.app import Site
    from seatrial.live.web.runs import Runs

    host, port = listen
    async with Runs(run) as runs:
        site = Listening(Site(runs, guard).application(), host, port)
        async with serving([site]) as (port,):
            # Beside a run that goes on it takes what that leaves.
            os.nice(NICENESS)
            click.echo(f"the page is at {_url(host, port, guard)}", err=True)
            await until_stopped(with_parent=with_parent)


def _url(host: str, port: int, guard: Guard) -> str:
    if host in {"0.0.0.0", "::"}:
        import socket

        host = socket.gethostname()
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/" + ("" if guard.token is None else f"?token={guard.token}")


def _token_in(path: Path) -> str:
    from seatrial.errors import PlanError

    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no text"
        raise PlanError(
            f"{path} cannot be read", cause=cause, next_step="give a file with a token"
        ) from error
    if re.fullmatch(rf"[A-Za-z0-9._~-]{{{TOKEN_SHORTEST},}}", token) is None:
        raise PlanError(
            f"{path} holds no token",
            cause=f"a token has {TOKEN_SHORTEST} letters, digits or any of ._~- at least",
            next_step=f"make one: openssl rand -hex 32 > {path}",
        )
    return token
