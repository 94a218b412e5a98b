"""Where a plan is run."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from seatrial.run.places.machine import OnThisMachine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from seatrial.cluster.connection.kubeconfig import Where
    from seatrial.plan.model.plan import Plan
    from seatrial.run.places.base import RunPlace


@asynccontextmanager
async def place_of(plan: Plan, where: Where | None = None) -> AsyncIterator[RunPlace]:
    """Open the place of a plan, and close it again; ``where`` is the cluster, if it is one.

    Raises what ``open_cluster`` does.
    """
    if plan.place != "kubernetes":
        yield OnThisMachine(plan, where)
        return
    # What speaks to a cluster is loaded where there is one.
    from seatrial.cluster.access import open_cluster
    from seatrial.run.places.kubernetes import OnKubernetes

    async with open_cluster(where) as client:
        yield OnKubernetes.of(plan, client)
