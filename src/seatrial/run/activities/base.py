"""What a trial knows of the activities that go on during it, and what each of them is given.

The interface says nothing of what an activity does: it may send requests, or change what the system has to know. All
that they have in common is a timeline.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

from seatrial.machine.processes.changes import ChangeLog, Unrecorded
from seatrial.run.workers.local import LocalWorkers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from seatrial.cluster.connection.kubeconfig import Where
    from seatrial.machine.address import Endpoint
    from seatrial.machine.members import Member
    from seatrial.record.events import Event
    from seatrial.run.agenda import TrialPlan
    from seatrial.run.ending import Ending
    from seatrial.run.workers.base import Workers
    from seatrial.systems.base import Origin, System
    from seatrial.systems.disturbance import RouteHeard
    from seatrial.topology.changed import Changed
    from seatrial.topology.expand import Topology
    from seatrial.topology.options import TopologyPlan


@dataclass(frozen=True, slots=True)
class Timeline:
    """When the warm-up begins, when the measure window, and when that ends at the latest; CLOCK_MONOTONIC.

    Whoever has seen all that the trial is for sets ``over``, and it ends then.
    """

    start_ns: int
    measure_ns: int
    end_ns: int
    over: asyncio.Event = field(default_factory=asyncio.Event, compare=False)

    @classmethod
    def starting(cls, start_ns: int, warmup_s: float, measure_s: float) -> Self:
        """Return the timeline that starts then."""
        measure_ns = start_ns + round(warmup_s * 1e9)
        return cls(start_ns, measure_ns, measure_ns + round(measure_s * 1e9))

    async def to_end(self) -> None:
        """Wait until it ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, (self.end_ns - time.monotonic_ns()) / 1e9)):
                await self.over.wait()


async def sleep_until(at_ns: int) -> None:
    """Sleep until a moment of a timeline (CLOCK_MONOTONIC); not at all where it has passed."""
    await asyncio.sleep(max(0.0, (at_ns - time.monotonic_ns()) / 1e9))


@dataclass(frozen=True, slots=True)
class Takes:
    """How long an activity should take to be ready and, once the timeline is over, to finish.

    ``notice_ns`` is how long before the start of the timeline it has to hear of it.
    """

    ready_s: float = 0.0
    finish_s: float = 0.0
    notice_ns: int = 0


class Activity(Protocol):
    """Something that goes on during a trial; its methods are called in the order in which they stand here.

    Whoever cannot go on raises a ``SeatrialError``: that ends the trial, and the other activities in order. What is
    called off (``CancelledError``) may be followed by ``finish``, and is always followed by ``close``.
    """

    async def start(self) -> Takes:
        """Start what it needs, in at most seconds; activities are started one after another."""

    async def ready(self) -> bool:
        """Wait until it is ready, beside the others; False where it will not be: there is no timeline then.

        Called off where the trial is ended early.
        """

    async def run(self, timeline: Timeline) -> None:
        """Follow the timeline to its end, beside the others, and not beyond: the cool down begins when all are back.

        Called off where the trial is ended early.
        """

    async def finish(self, ending: Ending) -> None:
        """Come to an end in order, wherever it is: ready or not, at the end of its timeline or called off.

        Where the trial was ended early, ``ending.stop`` is set; it may be set meanwhile, and so may ``ending.cut``.
        """

    async def close(self) -> None:
        """End and put back what is still there; harmless when nothing has started or all has ended."""

    @property
    def completed(self) -> int:
        """How many requests were answered to it, once it is closed: system and origin have counted them, too."""


class Bed(Protocol):
    """What the activities of a trial may do to what stands while it runs.

    What changes the system returns how many requests it made itself, to see that the change is there: systems and
    origin have counted them, or have refused them.
    """

    @property
    def system(self) -> System:
        """The system under test."""

    @property
    def origin(self) -> Origin:
        """The target service behind it."""

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where the system takes requests."""

    @property
    def topology(self) -> Topology:
        """What the load asks for."""

    async def serve(self, changed: Changed, heard: RouteHeard) -> None:
        """Have routes changed at every proxy; ``heard`` hears when each was asked for, taken, and said to be served.

        Raises ``SeatrialError`` where one is not taken. Nobody has asked for the routes by then.
        """

    async def said(self, limit_s: float) -> None:
        """Wait until the system says of all that was changed that it serves it; ``limit_s`` at most."""

    async def change_topology(self, changed: Callable[[TopologyPlan], TopologyPlan]) -> int:
        """Have every proxy serve another topology than now, and return once all of its routes are live."""

    async def pause_endpoint(self, number: int, service: str | None, for_s: float) -> None:
        """Have an endpoint stand still for so long, the ``number``-th from 1 on, of a service or of each."""

    async def swap_certificate(self) -> int:
        """Have every proxy show another certificate, and return once each does."""


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Setting:
    """What the activities of one trial are made from.

    ``record`` takes events of this trial, and ``watch_generators`` has members sampled which make load. ``workers`` is
    where those are had from, ``changes`` where what is made elsewhere is written down first, and ``cluster`` the one
    that a discoverer leads into. ``announce`` has a Prometheus find what shows its counts by now.
    """

    trial: TrialPlan
    bed: Bed
    record: Callable[[Event], None]
    watch_generators: Callable[[Iterable[Member]], None]
    workers: Workers = field(default_factory=LocalWorkers)
    changes: ChangeLog = field(default_factory=Unrecorded)
    cluster: Where | None = None
    announce: Callable[[], None] = _nothing
