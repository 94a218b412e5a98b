"""Whether a system counts at all before it is measured, and which limits of its own it met while it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.errors import SystemFault
from seatrial.systems.settings import LimitMet

if TYPE_CHECKING:
    from seatrial.systems.counters import Counters


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
    met = []
    for name, later in after.members.items():
        earlier = before.members.get(name)
        same = earlier is not None and earlier.incarnation == later.incarnation
        known = earlier.limits_met if earlier is not None and same else {}
        met += [
            LimitMet(name, counter, count - known.get(counter, 0))
            for counter, count in later.limits_met.items()
            if count > known.get(counter, 0)
        ]
    return tuple(met)
