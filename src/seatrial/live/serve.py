"""Serves sites over the network until it is to stop: the page of runs, and whatever else shows them."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from seatrial.errors import EnvironmentFault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from seatrial.machine.address import Address

END_LIMIT_S = 2.0
"""For what is being answered when it is to end."""
LINGER_S = 1.0

# What a client does wrong is answered to it, and is no news to who serves.
_QUIET = logging.getLogger("seatrial.live.serve")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False


@dataclass(frozen=True, slots=True)
class Listening:
    """What answers, and where it listens; port 0 is any that is free."""

    application: web.Application | web.Server
    at: Address


@asynccontextmanager
async def serving(sites: Sequence[Listening]) -> AsyncIterator[tuple[int, ...]]:
    """Serve for as long as the block lasts; gives the port of each. Raises ``EnvironmentFault``."""
    async with AsyncExitStack() as stack:
        ports = []
        for site in sites:
            runner = _runner(site.application)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            ports.append(await _listen(runner, site))
        yield tuple(ports)


async def until_stopped(*, with_parent: bool) -> None:
    """Wait for SIGINT or SIGTERM, and ``with_parent`` for the end of stdin, which a parent holds open."""
    await asked_to_stop(with_parent=with_parent).wait()


def asked_to_stop(*, with_parent: bool) -> asyncio.Event:
    """Return what is set then. Whoever says that it is ready has this first: it may be told to stop at once."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if with_parent:

        def look() -> None:
            if not os.read(sys.stdin.fileno(), 4096):
                loop.remove_reader(sys.stdin.fileno())
                stop.set()

        loop.add_reader(sys.stdin.fileno(), look)
    return stop


def _runner(application: web.Application | web.Server) -> web.BaseRunner:
    if isinstance(application, web.Server):
        return web.ServerRunner(application, shutdown_timeout=END_LIMIT_S)
    return web.AppRunner(
        application, logger=_QUIET, access_log=None, shutdown_timeout=END_LIMIT_S, lingering_time=LINGER_S
    )


async def _listen(runner: web.BaseRunner, site: Listening) -> int:
    try:
        await web.TCPSite(runner, site.at.host, site.at.port).start()
    except OSError as error:
        next_steps = {
            errno.EADDRINUSE: "stop what listens there, or give another port: --listen 127.0.0.1:0 takes a free one",
            errno.EACCES: "give a port above 1023",
            errno.EADDRNOTAVAIL: "give an address of this machine",
        }
        raise EnvironmentFault(
            f"cannot listen on {site.at}",
            # asyncio says all of it again in front.
            cause=(error.strerror or str(error)).rpartition("]: ")[2],
            next_step=next_steps.get(error.errno or 0, "give an address of this machine"),
        ) from error
    return int(runner.addresses[0][1])
