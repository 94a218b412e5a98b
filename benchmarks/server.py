"""The server that every generator is measured against: nginx with one worker, 600 bytes from memory, on a core of its
own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from seatrial.systems.base import Launch
from seatrial.systems.origins.nginx import NginxOrigin
from seatrial.systems.sockets import free_address

BODY_BYTES = 600
MAX_CONNECTIONS = 16_000


@asynccontextmanager
async def nginx(core: int) -> AsyncIterator[str]:
    """Serve until the block ends; yields the URL."""
    origin = NginxOrigin(BODY_BYTES, 200, 1)
    with TemporaryDirectory(prefix="seatrial-bench-") as scratch:
        launch = Launch(Path(scratch), Path(scratch), (), MAX_CONNECTIONS, free_address(), "origin")
        (address, *_) = await origin.start(launch)
        for process in origin.processes():
            os.sched_setaffinity(process.pid, {core})
        try:
            await asyncio.sleep(0.2)
            yield address.url
        finally:
            await origin.stop()
