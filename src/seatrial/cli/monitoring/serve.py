"""``seatrial serve``: a page that shows a run while it goes on, and afterwards; and its metrics."""

from __future__ import annotations

import asyncio
import json
import os
import re
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from seatrial.cli.options.listening import ListenAddress
from seatrial.cli.options.views import PAGE, MetricsCommand, metrics_options
from seatrial.errors import SeatrialError
from seatrial.machine.address import Address

if TYPE_CHECKING:
    from seatrial.live.exposition.showing import Exposition
    from seatrial.live.serve import Listening
    from seatrial.live.web.guard import Guard

TOKEN_SHORTEST = 16
NICENESS = 10
"""Beside a run everything else comes first."""


@click.command(cls=MetricsCommand, short_help="Show a run in a browser, live or finished, and its metrics.")
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--listen",
    type=ListenAddress(),
    default=PAGE,
    show_default=True,
    metavar="ADDRESS:PORT",
    help="Where to listen; port 0 is any that is free. Beyond this machine a token is needed.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="A file with the token that a browser has to give, on this machine too. Without, one is made where needed.",
)
@metrics_options
@click.option("--no-page", is_flag=True, hidden=True, help="No page: the metrics alone.")
@click.option("--with-parent", is_flag=True, hidden=True, help="End when stdin ends; lines go to stdout.")
def serve(**flags: Any) -> None:
    """Show RUN, a run directory or a folder of them, in a browser, until Ctrl-C.

    The page reads the record and changes nothing but for notes that are typed in it, so it may be opened, closed and
    started again at any time. Its URL goes to stderr. With --metrics a Prometheus may scrape the run, with
    --remote-write it is sent to one; RUN is one run then.
    """
    given = _Flags(**flags)
    if given.with_parent:
        os.nice(NICENESS)
    asyncio.run(_serve(given, _guard(given)))


@dataclass(frozen=True, slots=True)
class _Flags:
    run: Path
    listen: Address
    token_file: Path | None
    metrics: Address | None
    remote_write: str | None
    native_histograms: bool
    no_page: bool
    with_parent: bool

    def say(self, text: str, kind: Literal["shown", "note"] = "note") -> None:
        """Say something to who has started this: where it is ``shown``, or what is in the journal."""
        if self.with_parent:
            click.echo(json.dumps({kind: text}))
        else:
            click.echo(text, err=True)


def _guard(flags: _Flags) -> Guard:
    from seatrial.live.web.guard import Guard, is_loopback, names_of

    host = flags.listen.host
    token = None if flags.token_file is None else _token_in(flags.token_file)
    if token is None and not is_loopback(host):
        import secrets

        token = secrets.token_urlsafe()
    return Guard(names_of(host), token)


async def _serve(flags: _Flags, guard: Guard) -> None:
    from seatrial.live.serve import until_stopped

    async with AsyncExitStack() as stack:
        exposition = await _exposition(flags, stack)
        if not flags.no_page:
            await _page(flags, guard, stack)
        await until_stopped(with_parent=flags.with_parent)
        if exposition is not None and flags.with_parent:
            await exposition.finish()


async def _page(flags: _Flags, guard: Guard, stack: AsyncExitStack) -> None:
    from seatrial.live.serve import Listening
    from seatrial.live.web.app import Site
    from seatrial.live.web.runs import Runs

    runs = await stack.enter_async_context(Runs(flags.run))
    found = await _listen(flags, Listening(Site(runs, guard).application(), flags.listen), stack)
    if found is not None:
        flags.say(f"the page is at {_url(found, guard)}", "shown")


async def _exposition(flags: _Flags, stack: AsyncExitStack) -> Exposition | None:
    if flags.metrics is None and flags.remote_write is None:
        return None
    from seatrial.live.exposition.endpoint import PATH
    from seatrial.live.exposition.showing import Exposition, Receiver
    from seatrial.live.serve import Listening

    receiver = None if flags.remote_write is None else Receiver(flags.remote_write, flags.native_histograms)
    exposition = await stack.enter_async_context(Exposition(flags.run, _Noting(flags), receiver))
    if flags.metrics is not None:
        found = await _listen(flags, Listening(exposition.endpoint.app(), flags.metrics), stack)
        if found is not None:
            flags.say(f"the metrics are at http://{found}{PATH}", "shown")
    return exposition


async def _listen(flags: _Flags, site: Listening, stack: AsyncExitStack) -> Address | None:
    """Begin to serve a site; return where. Beside a run one that cannot be served is a line, and takes no other."""
    from seatrial.live.serve import serving

    try:
        (port,) = await stack.enter_async_context(serving([site]))
    except SeatrialError as error:
        if not flags.with_parent:
            raise
        _Noting(flags)(error.line)
        return None
    return Address(site.at.host, port)


@dataclass(frozen=True, slots=True)
class _Noting:
    """Says a line, and puts it into the journal: away from the loop, for a record may be locked for a while."""

    flags: _Flags

    def __call__(self, text: str) -> None:
        """Say it."""
        self.flags.say(text)
        asyncio.get_running_loop().run_in_executor(None, self._note, text)

    def _note(self, text: str) -> None:
        from seatrial.record.journal import add_remark

        with suppress(SeatrialError):
            add_remark(self.flags.run, text)


def _url(at: Address, guard: Guard) -> str:
    if at.host in {"0.0.0.0", "::"}:
        import socket

        at = Address(socket.gethostname(), at.port)
    return f"http://{at}/" + ("" if guard.token is None else f"?token={guard.token}")


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
