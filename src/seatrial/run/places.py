"""Where the roles of a run are, as its plan says: made before the first trial, put back after the last."""

from __future__ import annotations

import functools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from seatrial.machine.cgroup import read_cgroup_limits
from seatrial.machine.cpus.layout import read_layout
from seatrial.machine.cpus.own import kept_to
from seatrial.machine.cpus.pinning import pinning_of
from seatrial.machine.cpus.words import placement_text
from seatrial.machine.place import Places
from seatrial.plan.model.cpus import choice_of
from seatrial.record.events import Noted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from seatrial.machine.cpus.pinning import Pinning
    from seatrial.plan.model.plan import PlaceName, Plan
    from seatrial.record.writer import RunWriter


@asynccontextmanager
async def standing(plan: Plan, writer: RunWriter) -> AsyncIterator[Callable[[], Places]]:
    """Have them stand meanwhile; yield what returns those of one trial. Seatrial itself is on its own CPUs, too.

    Raises ``EnvironmentFault`` where they cannot be made.
    """
    # Before it is kept to some of them itself.
    pinning = pinning_of(choice_of(plan.cpus), read_layout(), read_cgroup_limits().cpu_cores)
    if pinning.by_role:
        text = placement_text(pinning.by_role, pinning.cores, share="share")
        writer.append(Noted("seatrial", f"kept to their CPUs: {text}"))
    with kept_to(pinning.of("seatrial")):
        async with _at(plan.place, pinning, writer) as places:
            yield places


@asynccontextmanager
async def _at(place: PlaceName, pinning: Pinning, writer: RunWriter) -> AsyncIterator[Callable[[], Places]]:
    if place == "machine":
        yield functools.partial(Places.on_this_machine, pinning)
        return
    from seatrial.machine.namespaces import Namespaces

    async with Namespaces(writer) as namespaces:
        made = namespaces.places()
        where = ", ".join(
            f"{role} {at.host} in {at.namespace.name}"
            for role, at in (("load", made.load), ("proxy", made.proxy), ("origin", made.origin))
            if at.namespace is not None
        )
        writer.append(Noted("seatrial", f"network namespaces, joined two by two by veth pairs: {where}"))
        if namespaces.not_copied:
            names = ", ".join(f"net/{name}" for name in namespaces.not_copied)
            writer.append(
                Noted("seatrial", f"the namespaces have the kernel's default of {names}: not to be set here")
            )
        yield functools.partial(namespaces.places, pinning)
