"""Which kinds of system can be run here."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from seatrial.errors import EnvironmentFault
from seatrial.machine.address import Endpoint
from seatrial.systems.registry import LOCAL
from seatrial.topology.expand import Topology, expand
from seatrial.topology.options import TopologyPlan


def require(kind: str) -> None:
    """Skip the test, with what is missing and how to get it, where the program of this kind is not here."""
    if (fault := _fault(kind)) is not None:
        pytest.skip(f"{fault.what}: {fault.next_step}")


def _fault(kind: str) -> EnvironmentFault | None:
    try:
        LOCAL[kind]().create().version()
    except EnvironmentFault as fault:
        return fault
    return None


def installed() -> list[str]:
    """Return the kinds whose program is here. Where one is not, the tests that are of one kind each say so."""
    return [kind for kind in LOCAL if _fault(kind) is None]


def single(endpoints: Sequence[Endpoint]) -> Topology:
    """The topology of one route to one service of these endpoints."""
    return expand(TopologyPlan(endpoints=len(endpoints)), endpoints)
