"""Which kinds of system can be run here."""

from __future__ import annotations

from contextlib import suppress

from seatrial.errors import EnvironmentFault
from seatrial.systems.registry import SYSTEMS


def installed() -> list[str]:
    """The kinds whose programs are here; which are not is said by the tests of each."""
    found = []
    for kind, options in SYSTEMS.items():
        with suppress(EnvironmentFault):
            options().create().version()
            found.append(kind)
    return found
