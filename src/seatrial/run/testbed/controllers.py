"""What becomes of a system's controller in a trial: looked at before the load, and after it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial.errors import SeatrialError
from seatrial.record.writer import utc_now
from seatrial.systems.base import Controlled
from seatrial.systems.running import GIVEN, ControllerLook, ControllerUse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.systems.base import System

AGREED_LIMIT_S, AGREED_EVERY_S = 10.0, 1.0


@dataclass(frozen=True, slots=True)
class ControllersBefore:
    """What was seen of each at a moment, UTC."""

    at_utc: str = ""
    looks: Mapping[str, ControllerLook] = field(default_factory=dict)


async def look(system: System) -> ControllersBefore:
    """Look at each pod of a system's controller; nothing is seen where it has none, or nobody answers."""
    at_utc = utc_now()
    if not isinstance(system, Controlled) or not system.has_controllers:
        return ControllersBefore(at_utc)
    try:
        return ControllersBefore(at_utc, await system.controllers(at_once=True))
    except SeatrialError:
        return ControllersBefore(at_utc)


async def since(system: System, before: ControllersBefore) -> tuple[ControllerUse, ...] | None:
    """Return what became of each since then; None where the system has none, nothing where nobody says."""
    if not isinstance(system, Controlled) or not system.has_controllers:
        return None
    try:
        after = await system.controllers(at_once=True) if before.looks else {}
        panics = await system.panics(before.at_utc)
    except SeatrialError:
        return ()
    names = sorted(before.looks.keys() | after.keys()) if after else ()
    return tuple(_use(name, before.looks.get(name), after.get(name), panics.get(name)) for name in names)


async def configurations(system: System) -> Mapping[str, Mapping[str, str]]:
    """Return what each member runs, once all were given the same, or ``AGREED_LIMIT_S`` is over."""
    deadline_s = time.monotonic() + AGREED_LIMIT_S
    while True:
        found = await system.configuration()
        given = {one[GIVEN] for one in found.values() if GIVEN in one}
        if len(given) <= 1 or time.monotonic() > deadline_s:
            return found
        # The last change may be on its way still.
        await asyncio.sleep(AGREED_EVERY_S)


def _use(
    name: str, before: ControllerLook | None, now: ControllerLook | None, panics: tuple[int, str] | None
) -> ControllerUse:
    # A pod that came since has begun from nothing, and of one that was put down no end is counted.
    restarts = 0 if now is None else now.ended - (0 if before is None else before.ended)
    return ControllerUse(
        member=name,
        restarts=restarts,
        why=now.why if now is not None and restarts else "",
        panics=None if panics is None else panics[0],
        panic="" if panics is None else panics[1],
        before={} if before is None else before.values,
        after={} if now is None else now.values,
    )
