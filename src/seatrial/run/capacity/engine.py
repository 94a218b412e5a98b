"""Capacity by our own engine: a closed loop against our own origin, with nothing between them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from seatrial.machine.place import Places
from seatrial.preflight.capacity import Figure
from seatrial.run.load import LoadHooks, run_load
from seatrial.systems.base import Launch
from seatrial.systems.origins.options import OriginPlan
from seatrial.systems.origins.seatrial import SeatrialOrigin
from seatrial.topology.expand import NOWHERE
from seatrial.workload.requests import Request
from seatrial.workload.spec import LoadSpec, Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from seatrial.machine.address import Endpoint
    from seatrial.machine.processes.changes import ChangeLog
    from seatrial.preflight.capacity import Direction
    from seatrial.run.capacity.ways import Way

TOOL = "seatrial"
CONNECTIONS = (1, 8)
"""One is held back by its own round trips. Eight keep every core of a small machine busy; a large one has more to give,
and what is measured is what it carries at least."""
LARGE_BYTES = 1 << 20
"""So large that heads and round trips are nothing beside it."""
SMALL_BYTES = 1
SETTLE_S = 0.2
"""Until the congestion windows have grown."""
TIMEOUT_S = 10.0


async def figures(
    way: Way, measure_s: float, scratch: Path, changes: ChangeLog
) -> AsyncIterator[Figure | float]:
    """Yield each figure as it is measured, and small requests per second at the end.

    Raises ``SystemFault``, ``GeneratorFault`` or ``EnvironmentFault`` where origin or workers do not come up.
    """
    large, small = (SeatrialOrigin(OriginPlan(body_bytes=size)) for size in (LARGE_BYTES, SMALL_BYTES))
    try:
        to_large = await large.start(_launch(way, "capacity-large", scratch, changes))
        to_small = await small.start(_launch(way, "capacity-small", scratch, changes))
        body = Request(method="POST", body=bytes(LARGE_BYTES))
        asked: tuple[tuple[Direction, Sequence[Endpoint], Request], ...] = (
            ("responses", to_large, Request()),
            ("requests", to_small, body),
        )
        for (direction, to, request), connections in itertools.product(asked, CONNECTIONS):
            received_per_s, sent_per_s, _ = await _closed_loop(way, to, request, connections, measure_s)
            carried = received_per_s if direction == "responses" else sent_per_s
            yield Figure(TOOL, direction, connections, carried)
        _, _, requests_per_s = await _closed_loop(way, to_small, Request(), CONNECTIONS[-1], measure_s)
        yield requests_per_s
    finally:
        await large.stop()
        await small.stop()


async def _closed_loop(
    way: Way, to: Sequence[Endpoint], request: Request, connections: int, measure_s: float
) -> tuple[float, float, float]:
    """Return bytes received and sent, and answers, each per second."""
    load = LoadSpec(
        targets=tuple(Target(endpoint.host, endpoint.port) for endpoint in to),
        requests=(request,),
        loop="closed",
        active=connections,
        timeout_s=TIMEOUT_S,
        warmup_s=SETTLE_S,
        measure_s=measure_s,
    )
    run = await run_load(load, LoadHooks(), Places(way.clients, way.servers, way.servers))
    result = run.result()
    return (
        result.bytes.received_in_window / result.window_s,
        # Of these it is known when they were asked for only: the few under way at both ends weigh each other out.
        result.bytes.sent / result.window_s,
        result.rate_per_s.achieved,
    )


def _launch(way: Way, label: str, scratch: Path, changes: ChangeLog) -> Launch:
    return Launch(
        directory=scratch,
        log_directory=scratch,
        topology=NOWHERE,
        max_connections=CONNECTIONS[-1],
        place=way.servers,
        label=label,
        changes=changes,
    )
