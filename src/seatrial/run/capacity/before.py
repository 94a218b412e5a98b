"""Before the first trial: what the network carries, on the record, and whether the plan asks for more than that."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault
from seatrial.machine.waiting import unless
from seatrial.plan.shown.compiled import compiled_document
from seatrial.preflight.capacity import Capacity, capacity_text, check_capacity
from seatrial.record.environment import describe
from seatrial.record.events import CapacityMeasured, Noted, RunEnded, RunStarted
from seatrial.record.writer import RunWriter
from seatrial.run.capacity.measure import measured
from seatrial.run.capacity.ways import is_measured, ways_of
from seatrial.run.others import OtherLoads
from seatrial.run.places.choice import place_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence
    from pathlib import Path

    from seatrial.cluster.connection.kubeconfig import Where
    from seatrial.plan.cases import Case
    from seatrial.plan.model.plan import Plan
    from seatrial.plan.read import GivenPlan
    from seatrial.run.places.ends import Ends


async def require_capacity(
    plan: Plan, cases: Sequence[Case], at: Ends, writer: RunWriter, first_trial: int
) -> None:
    """Measure the network where the plan has it measured, before ``first_trial``.

    Raises ``EnvironmentFault``, with the arithmetic, where the plan asks for more than it can carry without queueing.
    """
    if not is_measured(plan, cases):
        return
    capacities = await record_capacity(plan, at, writer, first_trial)
    refused = [finding for finding in check_capacity(cases, capacities) if finding.severity == "refuse"]
    if refused:
        raise EnvironmentFault(
            "\n".join(
                ["the network cannot carry what the plan asks for", *(found.text for found in refused)]
            ),
            cause="queues of the network would be measured in place of the system; no trial was begun",
            next_step=refused[0].remedy,
        )


async def record_capacity(plan: Plan, at: Ends, writer: RunWriter, first_trial: int) -> tuple[Capacity, ...]:
    """Measure every way that the plan uses, and write each down as it comes."""
    capacities: list[Capacity] = []
    async for capacity in measured(ways_of(plan, at), _scratch(writer.directory.logs), writer):
        writer.append(CapacityMeasured(first_trial, capacity))
        writer.append(Noted("seatrial", f"network, {capacity.way}: {capacity_text(capacity)}"))
        capacities.append(capacity)
    return tuple(capacities)


def _scratch(logs: Path) -> Path:
    """Return a folder that is not there yet: a run that is resumed has its network measured again."""
    names = ("network", *(f"network-{number}" for number in range(2, 2 + len(list(logs.glob("network*"))))))
    return next(folder for name in names if not (folder := logs / name).exists())


async def capacities_of(
    given: GivenPlan, runs: Path, where: Where | None, stop: asyncio.Event
) -> tuple[Capacity, ...] | None:
    """Measure the network of a plan without its trials, on a record of its own, from which `clean` puts back.

    ``where`` is the cluster of a plan whose place is one. Whatever is made for it is gone afterwards, also where
    ``stop`` ends it: the result is None then.

    Raises ``StorageFault`` or ``RecordError`` where it cannot be recorded, ``EnvironmentFault`` where something is
    measured on this machine, and what ``measured``, ``place_of`` and ``RunPlace.standing`` raise.
    """
    plan = given.plan
    # Without its cases: none of them is going to run.
    compiled = json.dumps(compiled_document(plan, ()))
    # Beside somebody's measurement each would have a part of the network only.
    with (
        OtherLoads("seatrial check --network", share=False),
        RunWriter.create(runs.resolve(), f"network-{plan.name}", given.text, compiled) as writer,
    ):
        writer.environment(describe({}))
        writer.append(RunStarted(writer.path.name, plan.name, 0))
        try:
            capacities = await unless(stop, _alone(plan, where, writer))
        except BaseException:
            writer.append(RunEnded("failed"))
            raise
        writer.append(RunEnded("interrupted" if capacities is None else "finished"))
        return capacities


async def _alone(plan: Plan, where: Where | None, writer: RunWriter) -> tuple[Capacity, ...]:
    async with place_of(plan, where) as place, place.standing(writer) as standing:
        return await record_capacity(plan, standing.ends(), writer, 1)
