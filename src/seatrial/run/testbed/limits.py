"""Whether a system counts at all before it is measured, and which limits of its own it met, or what it did not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.errors import SystemFault
from seatrial.systems.settings import LimitMet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from seatrial.systems.counters import Counters, Reading


def require_counting(counters: Counters, answered: int) -> None:
    """Raise ``SystemFault`` where all members together have not counted what they answered before the load."""
    counted = counters.requests
    if counted is not None and counted < answered:
        raise SystemFault(
            f"the system does not count what it answers: {counted:,} requests, and {answered:,} were answered",
            cause="what is merged into its configuration has taken its counters away",
            next_step="take what concerns logs or statistics out of `config`; nothing was measured",
        )


def limits_met(before: Counters, after: Counters) -> tuple[LimitMet, ...]:
    """Return which limits were met between two readings; a member that began anew has counted from 0."""
    return tuple(_risen(before, after, lambda reading: reading.limits_met))


def rejected(before: Counters, after: Counters) -> tuple[LimitMet, ...] | None:
    """Return what was not taken between two readings; None where one of the members does not count that."""
    if not after.members or any(reading.rejected is None for reading in after.members.values()):
        return None
    return tuple(_risen(before, after, lambda reading: reading.rejected or {}))


def _risen(
    before: Counters, after: Counters, counted: Callable[[Reading], Mapping[str, int]]
) -> Iterator[LimitMet]:
    for name, later in after.members.items():
        earlier = before.members.get(name)
        same = earlier is not None and earlier.incarnation == later.incarnation
        known = counted(earlier) if earlier is not None and same else {}
        for counter, count in counted(later).items():
            if count > known.get(counter, 0):
                yield LimitMet(name, counter, count - known.get(counter, 0))
