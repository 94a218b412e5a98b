"""The network between the roles, measured: way by way, tool by tool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault, SystemFault
from seatrial.preflight.capacity import Capacity, Figure
from seatrial.run.capacity import engine, iperf3
from seatrial.run.capacity.ways import MEASURE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from seatrial.machine.processes.changes import ChangeLog
    from seatrial.run.capacity.ways import Way


async def measured(
    ways: Sequence[Way], scratch: Path, changes: ChangeLog, measure_s: float = MEASURE_S
) -> AsyncIterator[Capacity]:
    """Yield each way once it is measured; what the tools write goes into ``scratch``, a folder for each way.

    Raises ``SystemFault``, ``GeneratorFault`` or ``EnvironmentFault`` where our own origin or workers do not come up.
    Without iperf3 there is one opinion less, which is said.
    """
    for way in ways:
        folder = scratch / way.name.replace(" ", "")
        if way.servers.place is not None:
            # What pods write is in their logs.
            folder.mkdir(parents=True)
        figures: list[Figure] = []
        requests_per_s = 0.0
        async for found in engine.figures(way, measure_s, folder, changes):
            if isinstance(found, Figure):
                figures.append(found)
            else:
                requests_per_s = found
        missing: tuple[str, ...] = ()
        try:
            async for figure in iperf3.figures(way, measure_s, folder, changes):
                figures.append(figure)  # noqa: PERF401 (what was measured before a failure is kept)
        except (EnvironmentFault, SystemFault) as fault:
            missing = (f"{fault.what} ({fault.cause or fault.next_step})",)
        yield Capacity(way.name, tuple(figures), requests_per_s, missing)
