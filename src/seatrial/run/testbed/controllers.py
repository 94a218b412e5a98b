"""What becomes of a system's controller in a trial: looked at before the load, and after it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial.errors import SeatrialError
from seatrial.record.writer import utc_now
from seatrial.systems.base import Controlled
from seatrial.systems.running import ControllerLook, ControllerUse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.systems.base import System


@dataclass(frozen=True, slots=True)
class ControllersBefore:
    """What was seen of each at a moment, UTC."""

    at_utc: str = ""
    looks: Mapping[str, ControllerLook] = field(default_factory=dict)


async def look(system: System) -> ControllersBefore:
    """Look at each pod of a system's controller; nothing is seen where it has none, or nobody answers."""
    at_utc = utc_now()
    if not isinstance(system, Controlled):
        return ControllersBefore(at_utc)
    try:
        return ControllersBefore(at_utc, await system.controllers(at_once=True))
    except SeatrialError:
        return ControllersBefore(at_utc)


async def since(system: System, before: ControllersBefore) -> tuple[ControllerUse, ...] | None:
    """Return what became of each since then; None where there was none, or nobody says."""
    if not before.looks or not isinstance(system, Controlled):
        return None
    try:
        after = await system.controllers(at_once=True)
        panics = await system.panics(before.at_utc)
    except SeatrialError:
        return None
    return tuple(
        _use(name, before.looks.get(name), now, panics.get(name)) for name, now in sorted(after.items())
    )


def _use(
    name: str, before: ControllerLook | None, now: ControllerLook, panics: tuple[int, str] | None
) -> ControllerUse:
    # A pod that came since has begun from nothing.
    restarts = now.ended - (0 if before is None else before.ended)
    return ControllerUse(
        member=name,
        restarts=restarts,
        why=now.why if restarts else "",
        panics=None if panics is None else panics[0],
        panic="" if panics is None else panics[1],
        before={} if before is None else before.values,
        after=now.values,
    )
