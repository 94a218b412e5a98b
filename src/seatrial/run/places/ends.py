"""The ends of a way: where workers and origins of ours may be had while it is measured; those of this machine."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from seatrial.machine.place import Places
from seatrial.run.workers.local import LocalWorkers
from seatrial.systems.base import Launch
from seatrial.systems.origins.options import OriginPlan
from seatrial.systems.origins.seatrial import SeatrialOrigin
from seatrial.topology.expand import NOWHERE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from seatrial.machine.address import Endpoint
    from seatrial.machine.place import Place
    from seatrial.machine.processes.changes import ChangeLog
    from seatrial.run.workers.base import Workers

CONNECTIONS_MOST = 64
"""What an origin that is only asked for capacity is prepared for, at each of its addresses."""


class End(Protocol):
    """One end of a way; whatever is had of it is gone when it is let go."""

    @property
    def count(self) -> int:
        """How many workers are had, or parts of an origin."""

    @property
    def place(self) -> Place | None:
        """Where other programs may be started; None where there are pods only."""

    def working(self, label: str) -> AbstractAsyncContextManager[Workers]:
        """Have workers for several loads, one after another; ``label`` is theirs alone in a run.

        Raises ``EnvironmentFault`` where they are not to be had.
        """

    def serving(
        self, body_bytes: int, label: str, folder: Path, changes: ChangeLog
    ) -> AbstractAsyncContextManager[tuple[Endpoint, ...]]:
        """Have an origin meanwhile that answers with bodies of that size, and know where; logs go into ``folder``.

        Raises ``SystemFault`` or ``EnvironmentFault`` where it does not come up.
        """


@dataclass(frozen=True, slots=True)
class Ends:
    """Those of the roles of a plan."""

    load: End
    proxy: End
    origin: End


@dataclass(frozen=True, slots=True)
class LocalEnd:
    """Processes at a place of this machine, one of each; see ``End``."""

    place: Place
    count: int = 1

    @asynccontextmanager
    async def working(self, label: str) -> AsyncIterator[Workers]:  # noqa: ARG002
        """Return what starts processes for each load anew."""
        yield LocalWorkers(Places(self.place, self.place, self.place))

    @asynccontextmanager
    async def serving(
        self, body_bytes: int, label: str, folder: Path, changes: ChangeLog
    ) -> AsyncIterator[tuple[Endpoint, ...]]:
        """Have one process serve."""
        origin = SeatrialOrigin(OriginPlan(body_bytes=body_bytes))
        launch = Launch(folder, folder, NOWHERE, CONNECTIONS_MOST, self.place, label, changes)
        try:
            yield await origin.start(launch)
        finally:
            await origin.stop()


def ends_at(places: Places) -> Ends:
    """Return the ends that are places of this machine."""
    return Ends(LocalEnd(places.load), LocalEnd(places.proxy), LocalEnd(places.origin))
