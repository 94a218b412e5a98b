"""The servers that generators are measured against: nginx with one worker and our own origin with one process, 600 B
from memory, on a core of their own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from seatrial.machine import proc
from seatrial.machine.place import ThisMachine
from seatrial.systems.base import Launch, Origin
from seatrial.systems.origins.nginx import NginxOrigin
from seatrial.systems.origins.options import OriginPlan
from seatrial.systems.origins.seatrial import SeatrialOrigin
from seatrial.topology.expand import NOWHERE

BODY_BYTES = 600
MAX_CONNECTIONS = 16_000
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is up."""

    url: str
    pids: tuple[int, ...]

    def cpu_s(self) -> float:
        """Return the CPU time that its processes have used so far, in the kernel's ticks."""
        stats = [found for pid in self.pids if (found := proc.stat(pid)) is not None]
        return sum(one.user_ticks + one.system_ticks for one in stats) / TICKS_PER_S


@asynccontextmanager
async def nginx(core: int) -> AsyncIterator[str]:
    """Serve until the block ends; yields the URL."""
    async with serving(NginxOrigin(BODY_BYTES, 200, 1), core) as server:
        yield server.url


def own_origin() -> Origin:
    """Return our own origin, not started."""
    return SeatrialOrigin(OriginPlan(body_bytes=BODY_BYTES))


@asynccontextmanager
async def serving(origin: Origin, core: int) -> AsyncIterator[Server]:
    """Serve until the block ends, on this core only."""
    with TemporaryDirectory(prefix="seatrial-bench-") as scratch:
        launch = Launch(Path(scratch), Path(scratch), NOWHERE, MAX_CONNECTIONS, ThisMachine(), "origin")
        (address, *_) = await origin.start(launch)
        pids = tuple(process.pid for member in origin.members() for process in member.processes)
        for pid in pids:
            os.sched_setaffinity(pid, {core})
        try:
            await asyncio.sleep(0.2)
            yield Server(address.url, pids)
        finally:
            await origin.stop()
