"""Samples of a system's own counters."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from seatrial.errors import ClusterFault, SystemFault
from seatrial.observe.samples import SystemSample
from seatrial.systems.base import Controlled

if TYPE_CHECKING:
    from seatrial.systems.base import System
    from seatrial.systems.counters import Reading

COUNTED_BY_KERNEL = "connections_counted_by_kernel"
"""In samples of systems that do not count their connections themselves."""


async def sample(label: str, system: System) -> tuple[SystemSample, ...]:
    """Look once at every member. Empty where the system does not answer, or who is asked for it on a cluster.

    What has become of it is for ``System.failure`` to report.
    """
    try:
        counters = await system.counters()
    except (SystemFault, ClusterFault):
        return ()
    return tuple(
        SystemSample(counters.at_s, label, member, reading.incarnation, values_of(reading))
        for member, reading in counters.members.items()
    )


async def sample_controllers(label: str, system: System) -> tuple[SystemSample, ...]:
    """Look once at its controller, which may be slow to answer; empty where it has none, or was asked a moment ago."""
    if not isinstance(system, Controlled):
        return ()
    try:
        looks = await system.controllers()
    except ClusterFault:
        return ()
    at_s = time.monotonic()
    return tuple(
        SystemSample(at_s, label, member, look.incarnation, look.values, "controller")
        for member, look in looks.items()
    )


def values_of(reading: Reading) -> dict[str, float]:
    """Return a member's own values, and those that every system has under one name, where it knows them."""
    common = {
        "connections_active": reading.connections_active,
        "connections_accepted": reading.connections_accepted,
        "requests": reading.requests,
        "upstream_requests": reading.upstream_requests,
        "upstream_connections": reading.upstream_connections,
        COUNTED_BY_KERNEL: 1 if reading.is_counted_by_kernel else None,
    }
    # The active ones are the kernel's where it does not say them itself.
    unsaid = reading.absent.keys() - {"connections_active"}
    known = {name: float(value) for name, value in common.items() if value is not None and name not in unsaid}
    return {**reading.values, **known}
