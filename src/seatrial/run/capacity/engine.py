"""Capacity by our own engine: a closed loop against our own origin, with nothing between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault
from seatrial.preflight.capacity import Figure
from seatrial.run.load import LoadHooks, LoadRun, run_load
from seatrial.workload.requests import Request
from seatrial.workload.spec import LoadSpec, Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from seatrial.machine.address import Endpoint
    from seatrial.machine.processes.changes import ChangeLog
    from seatrial.run.capacity.ways import Way
    from seatrial.run.workers.base import Workers

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

    Raises ``SystemFault``, ``GeneratorFault`` or ``EnvironmentFault`` where origin or workers do not come up, or
    nothing comes through.
    """
    label = scratch.name
    connections_of = connections_between(way)
    async with way.clients.working(f"{label}-load") as workers:
        async with way.servers.serving(LARGE_BYTES, f"{label}-large", scratch, changes) as to:
            for connections in connections_of:
                received_per_s, _, _ = await _closed_loop(way, workers, to, Request(), connections, measure_s)
                yield Figure(TOOL, "responses", connections, received_per_s)
        async with way.servers.serving(SMALL_BYTES, f"{label}-small", scratch, changes) as to:
            body = Request(method="POST", body=bytes(LARGE_BYTES))
            for connections in connections_of:
                _, sent_per_s, _ = await _closed_loop(way, workers, to, body, connections, measure_s)
                yield Figure(TOOL, "requests", connections, sent_per_s)
            _, _, requests_per_s = await _closed_loop(
                way, workers, to, Request(), connections_of[-1], measure_s
            )
            yield requests_per_s


def connections_between(way: Way) -> tuple[int, int]:
    """Return over how many connections at once a way is measured: several are one for each of its ends at least."""
    one, several = CONNECTIONS
    return one, max(several, way.clients.count, way.servers.count)


async def _closed_loop(
    way: Way, workers: Workers, to: Sequence[Endpoint], request: Request, connections: int, measure_s: float
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
    run = await run_load(load, LoadHooks(), workers)
    _require_measured(way, run)
    result = run.result()
    return (
        result.bytes.received_in_window / result.window_s,
        # Of these it is known when they were asked for only: the few under way at both ends weigh each other out.
        result.bytes.sent / result.window_s,
        result.rate_per_s.achieved,
    )


def _require_measured(way: Way, run: LoadRun) -> None:
    """Raise ``EnvironmentFault`` where a figure would be of a load that was none: a plan is held against it."""
    driven = run.account.driven
    lost = ("nobody has driven it",) if driven is None else driven.lost
    if lost:
        raise EnvironmentFault(
            f"the network cannot be measured, {way.name}",
            cause="; ".join(lost),
            next_step="see what became of the workers, or go without: `capacity: never`",
        )
    assert driven is not None
    if not driven.ramp_complete:
        raise EnvironmentFault(
            f"the network cannot be measured, {way.name}: not every connection could be opened",
            cause="a firewall, or a NetworkPolicy of the cluster, may stand between them",
            next_step="let the roles reach each other, or go without: `capacity: never`",
        )
