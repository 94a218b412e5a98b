"""Waiting, with a limit, for something to come up or to empty."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from seatrial.errors import SystemFault
from seatrial.machine.processes.guard import last_lines

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

READY_LIMIT_S = 60.0
"""Envoy is ready in 0.2 s on a quiet machine; the limit is for a loaded one."""
VALIDATE_LIMIT_S = 60.0
POLL_S = 0.05


async def until_ready(
    name: str, probe: Callable[[], Awaitable[bool]], failure: Callable[[], str | None], log: Path
) -> None:
    """Return once ``probe`` says yes.

    Raises ``SystemFault``, with the end of the log, where it has failed instead or ``READY_LIMIT_S`` passes.
    """
    deadline_s = time.monotonic() + READY_LIMIT_S
    while True:
        if failed := failure():
            raise SystemFault(
                f"{name} did not come up: {failed}", cause=last_lines(log) or None, next_step=f"read {log}"
            )
        if await probe():
            return
        if time.monotonic() > deadline_s:
            raise SystemFault(
                f"{name} was not ready after {READY_LIMIT_S:g} s",
                cause=last_lines(log) or "the machine may be overloaded",
                next_step=f"read {log}",
            )
        await asyncio.sleep(POLL_S)


async def within(limit_s: float, condition: Callable[[], Awaitable[bool]]) -> bool:
    """Wait until the condition holds; False where ``limit_s`` passes first. It is asked at least once."""
    deadline_s = time.monotonic() + limit_s
    while not await condition():
        if time.monotonic() >= deadline_s:
            return False
        await asyncio.sleep(POLL_S)
    return True
