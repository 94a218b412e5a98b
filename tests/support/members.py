"""The processes of whatever has members."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seatrial.machine.proc import ProcessRef
    from seatrial.systems.base import Origin, System


def processes_of(side: System | Origin) -> tuple[ProcessRef, ...]:
    """Return the processes of a system or an origin that run here, member by member."""
    return tuple(process for member in side.members() for process in member.processes)
