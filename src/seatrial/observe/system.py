"""Samples of a system's own counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.errors import SystemFault
from seatrial.observe.samples import SystemSample

if TYPE_CHECKING:
    from seatrial.systems.base import Counters, System


async def sample(label: str, system: System) -> SystemSample | None:
    """Look once. None where the system does not answer: that is for ``System.failure`` to report."""
    try:
        counters = await system.counters()
    except SystemFault:
        return None
    return SystemSample(counters.at_s, label, values_of(counters))


def values_of(counters: Counters) -> dict[str, float]:
    """Return the system's own values, and those that every system has under one name, where it knows them."""
    common = {
        "connections_active": counters.connections_active,
        "connections_accepted": counters.connections_accepted,
        "requests": counters.requests,
        "upstream_requests": counters.upstream_requests,
    }
    return {**counters.values, **{name: float(value) for name, value in common.items() if value is not None}}
