"""Work that is called off when something else happens first, and work that is waited for whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


async def unless(event: asyncio.Event, work: Coroutine[Any, Any, Result]) -> Result | None:
    """Await ``work``, or call it off when ``event`` is set first: wait until it has cleared up, and return None."""
    working, waiting = asyncio.ensure_future(work), asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        working.cancel()
        await to_its_end(working)
    return None if working.cancelled() else working.result()


async def to_its_end(work: asyncio.Future[Any]) -> None:
    """Wait until ``work`` is done, however often the wait is called off meanwhile; that is raised afterwards.

    What ``work`` itself raises is for whoever asks for its result.
    """
    called_off = None
    while not work.done():
        try:
            await asyncio.wait((work,))
        except asyncio.CancelledError as error:
            called_off = error
    if called_off is not None:
        raise called_off
