"""Which kinds of system can be run here."""

from __future__ import annotations

import pytest

from seatrial.errors import EnvironmentFault
from seatrial.systems.registry import SYSTEMS


def require(kind: str) -> None:
    """Skip the test, with what is missing and how to get it, where the program of this kind is not here."""
    try:
        SYSTEMS[kind]().create().version()
    except EnvironmentFault as fault:
        pytest.skip(f"{fault.what}: {fault.next_step}")
