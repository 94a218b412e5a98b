"""What runs beside a trial's load: the samplers, and an eye on whether everything is still alive."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from seatrial.machine.members import Member, Role
from seatrial.observe.sampler import Elsewhere, Sampler
from seatrial.observe.samples import (
    ClusterEvent,
    HostSample,
    KernelMessage,
    KernelReport,
    LookingCost,
    NetworkSample,
    NodeAway,
    NodeSample,
    ProcessGone,
    ProcessSample,
    Sample,
    SystemSample,
)
from seatrial.record.events import (
    Event,
    HostSampled,
    NetworkSampled,
    NodeSampled,
    Noted,
    ProcessSampled,
    SystemSampled,
)
from seatrial.systems.base import Origin, System

MESSAGES_LIMIT = 50
"""Of a kernel that reports more in a trial the first ones say what happened."""
LIVENESS_EVERY_S = 0.1
"""A proxy that dies is noticed within this; a restart by a supervisor takes longer."""

LAST_LOOK_LIMIT_S = 10.0
"""Of a cluster that does not answer by then the trial does without the last look."""


@dataclass(slots=True)
class Watch:
    """Watches one trial. ``stop`` is set when the system or the origin has gone away.

    ``ports`` are those that each role listens on, ``elsewhere`` looks at members that are pods. ``views`` are processes
    that show the run: they count as Seatrial's own, and one that ends is missed by nobody.
    """

    trial: int
    label: str
    system: System
    origin: Origin
    record: Callable[[Event], None]
    stop: asyncio.Event
    ports: Mapping[Role, frozenset[int]] = field(default_factory=dict)
    elsewhere: Elsewhere | None = None
    views: Callable[[], tuple[Member, ...]] = tuple
    failure: str | None = None
    lost: list[str] = field(default_factory=list)
    _generators: tuple[Member, ...] = ()
    _messages: list[KernelMessage] = field(default_factory=list)
    _sampler: Sampler = field(init=False)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _ending: bool = False

    def __post_init__(self) -> None:
        """Make the sampler; it looks at nothing yet."""
        self._sampler = Sampler(
            self._take,
            self._members,
            lambda: {self.label: self.system},
            ports=lambda: self.ports,
            elsewhere=self.elsewhere,
        )

    async def start(self) -> None:
        """Look once at everything as it is before the first connection, and go on looking."""
        await self._sampler.look()
        self._tasks = [asyncio.create_task(self._sampler.run()), asyncio.create_task(self._mind_liveness())]

    def look_now(self) -> None:
        """Look once more, beside the regular looks: every idle connection is open and nothing else is going on."""
        self._tasks.append(asyncio.create_task(self._sampler.look()))

    def look_at_edge(self) -> None:
        """Look at everything here this very moment: what the measure phase used is counted between its two ends."""
        self._sampler.look_here(whole=True)
        self._tasks.append(asyncio.create_task(self._sampler.look_elsewhere()))

    def watch_generators(self, workers: Iterable[Member]) -> None:
        """Sample these workers, too."""
        self._generators += tuple(workers)

    def load_ended(self) -> None:
        """Look at the workers once more, and take no notice of those that end from here on: they are meant to."""
        self._ending = True
        self._sampler.look_here(whole=True)
        # Where they are pods, these are deleted soon.
        self._tasks.append(asyncio.create_task(self._sampler.look_elsewhere_at_once(self._members())))
        self._generators = ()

    async def end(self) -> None:
        """Stop looking; what went wrong with the looking itself is raised."""
        self._sampler.close()
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_LOOK_LIMIT_S):
                await self._sampler.finish_elsewhere()

    def nodes_away(self) -> tuple[NodeAway, ...]:
        """Return which nodes could not be reached, and when."""
        return self._sampler.away()

    def runs_beside(self) -> tuple[str, ...]:
        """Return which other runs of Seatrial were on the same nodes of a cluster, and on which."""
        return self._sampler.runs_beside()

    def remarks(self) -> tuple[str, ...]:
        """Return what could not be known of members that are pods, and why."""
        return self._sampler.remarks()

    def cost(self) -> LookingCost:
        """Return what looking has cost so far."""
        return self._sampler.cost()

    def kernel_report(self) -> KernelReport:
        """Return what the kernel has reported so far."""
        log = self._sampler.kernel_log
        first = tuple(self._messages[:MESSAGES_LIMIT])
        return KernelReport(first, len(self._messages) - len(first), log.unreadable, log.lost)

    def _members(self) -> tuple[Member, ...]:
        own = Member.alone("seatrial", "seatrial", os.getpid())
        return (
            *self.system.members(),
            *self.origin.members(),
            *self._generators,
            *((own,) if own is not None else ()),
            *self.views(),
        )

    def _take(self, sample: Sample) -> None:
        match sample:
            case ProcessSample():
                self.record(ProcessSampled(self.trial, sample))
            case HostSample():
                self.record(HostSampled(self.trial, sample))
            case NetworkSample():
                self.record(NetworkSampled(self.trial, sample))
            case NodeSample():
                self.record(NodeSampled(self.trial, sample))
            case ClusterEvent():
                self.record(Noted("seatrial", sample.text, self.trial))
            case KernelMessage():
                self._messages.append(sample)
            case SystemSample():
                self.record(SystemSampled(self.trial, sample))
            case ProcessGone() if not self._is_meant_to_end(sample):
                self.lost.append(f"{sample.role} {sample.process.name} ({sample.process.pid})")

    def _is_meant_to_end(self, gone: ProcessGone) -> bool:
        # Seatrial itself is here to say so.
        if gone.role == "seatrial":
            return True
        if gone.role == "generator":
            return self._ending
        return any(gone.process in proxy.put_down for proxy in self.system.proxies())

    async def _mind_liveness(self) -> None:
        while self.failure is None:
            failure = self.system.failure() or self.origin.failure()
            if failure is not None:
                self.failure = failure
                self.stop.set()
            await asyncio.sleep(LIVENESS_EVERY_S)
