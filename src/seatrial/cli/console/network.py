"""``seatrial check --network``: measured between the roles of a plan, at its place, and put back whatever happens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from seatrial.cli.console.signals import Signals

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.cluster.connection.kubeconfig import Where
    from seatrial.plan.read import GivenPlan
    from seatrial.preflight.capacity import Capacity

INTERRUPTED = "interrupted: everything is being put back"


def measured_capacities(given: GivenPlan, runs: Path, where: Where | None = None) -> tuple[Capacity, ...]:
    """Measure each way that the plan uses, on a record below ``runs``; ``where`` is the cluster, if its place is one.

    Raises ``click.Abort`` after Ctrl-C and its like, and what ``capacities_of`` does.
    """
    from seatrial.run.capacity.before import capacities_of
    from seatrial.run.capacity.ways import ways_text

    click.echo(f"measuring the network {ways_text(given.plan)}", err=True)

    async def measure() -> tuple[Capacity, ...] | None:
        stop, _ = signals.events()
        return await capacities_of(given, runs, where, stop)

    with Signals() as signals:
        signals.announce(INTERRUPTED)
        capacities = asyncio.run(measure())
    if capacities is None:
        raise click.Abort
    return capacities
