"""Where the roles of a run are, as its plan says: made before the first trial, put back after the last."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from seatrial.machine.place import Places
from seatrial.record.events import Noted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from seatrial.plan.model.plan import PlaceName
    from seatrial.record.writer import RunWriter


@asynccontextmanager
async def standing(place: PlaceName, writer: RunWriter) -> AsyncIterator[Callable[[], Places]]:
    """Have them stand meanwhile; yield what returns those of one trial.

    Raises ``EnvironmentFault`` where they cannot be made.
    """
    if place == "machine":
        yield Places.on_this_machine
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
        yield namespaces.places
