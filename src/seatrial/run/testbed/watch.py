"""What runs beside a trial's load: the samplers, and an eye on whether everything is still alive."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from seatrial.machine.members import Member
from seatrial.machine.namespace import Namespace
from seatrial.observe.sampler import Sampler
from seatrial.observe.samples import HostSample, ProcessGone, ProcessSample, Sample, SystemSample
from seatrial.observe.tcp import OWN
from seatrial.record.events import Event, HostSampled, ProcessSampled, SystemSampled
from seatrial.systems.base import Origin, System

LIVENESS_EVERY_S = 0.1
"""A proxy that dies is noticed within this; a restart by a supervisor takes longer."""


@dataclass(slots=True)
class Watch:
    """Watches one trial. ``stop`` is set when the system or the origin has gone away."""

    trial: int
    label: str
    system: System
    origin: Origin
    record: Callable[[Event], None]
    stop: asyncio.Event
    networks: Sequence[Namespace | None] = OWN
    failure: str | None = None
    lost: list[str] = field(default_factory=list)
    _generators: tuple[Member, ...] = ()
    _sampler: Sampler = field(init=False)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _ending: bool = False

    def __post_init__(self) -> None:
        """Make the sampler; it looks at nothing yet."""
        systems = lambda: {self.label: self.system}  # noqa: E731
        self._sampler = Sampler(self._take, self._members, systems, networks=self.networks)

    async def start(self) -> None:
        """Look once at everything as it is before the first connection, and go on looking."""
        await self._sampler.look()
        self._tasks = [asyncio.create_task(self._sampler.run()), asyncio.create_task(self._mind_liveness())]

    def look_now(self) -> None:
        """Look once more, beside the regular looks: every idle connection is open and nothing else is going on."""
        self._tasks.append(asyncio.create_task(self._sampler.look()))

    def look_at_edge(self) -> None:
        """Look at the processes this very moment: the CPU of the measure phase is counted between its two ends."""
        self._sampler.look_here()

    def watch_generators(self, pids: Iterable[int]) -> None:
        """Sample these workers, too."""
        first = len(self._generators)
        found = (Member.alone("generator", f"worker {index}", pid) for index, pid in enumerate(pids, first))
        self._generators += tuple(worker for worker in found if worker is not None)

    def load_ended(self) -> None:
        """Look at the workers once more, and take no notice of those that end from here on: they are meant to."""
        self._ending = True
        self.look_at_edge()
        self._generators = ()

    async def end(self) -> None:
        """Stop looking; what went wrong with the looking itself is raised."""
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    def _members(self) -> tuple[Member, ...]:
        own = Member.alone("seatrial", "seatrial", os.getpid())
        return (
            *self.system.members(),
            *self.origin.members(),
            *self._generators,
            *((own,) if own is not None else ()),
        )

    def _take(self, sample: Sample) -> None:
        match sample:
            case ProcessSample():
                self.record(ProcessSampled(self.trial, sample))
            case HostSample():
                self.record(HostSampled(self.trial, sample))
            case SystemSample():
                self.record(SystemSampled(self.trial, sample))
            case ProcessGone() if not (self._ending and sample.role == "generator"):
                self.lost.append(f"{sample.role} {sample.process.name} ({sample.process.pid})")

    async def _mind_liveness(self) -> None:
        while self.failure is None:
            failure = self.system.failure() or self.origin.failure()
            if failure is not None:
                self.failure = failure
                self.stop.set()
            await asyncio.sleep(LIVENESS_EVERY_S)
