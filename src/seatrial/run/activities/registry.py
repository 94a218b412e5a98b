"""Everything that may go on during a trial: to add an activity is a file beside this one and a line below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.run.activities.discovery import discovery_of
from seatrial.run.activities.disturb import disturbances_of
from seatrial.run.activities.objects import objects_of
from seatrial.run.activities.traffic import traffic_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from seatrial.run.activities.base import Activity, Setting

ACTIVITIES: Sequence[Callable[[Setting], Activity | None]] = (
    disturbances_of,
    objects_of,
    discovery_of,
    # The last: connections are being opened once it has started, and then all else should have.
    traffic_of,
)
"""In the order in which they are started; each returns None where the trial's plan does not ask for it."""


def activities_of(setting: Setting) -> tuple[Activity, ...]:
    """Return the activities of a trial, not started; raises the ``SeatrialError`` of one that cannot be."""
    made = (activity_of(setting) for activity_of in ACTIVITIES)
    return tuple(activity for activity in made if activity is not None)
