"""The sampler: looks at everything once an interval, beside the load."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Protocol

from seatrial.observe import system
from seatrial.observe.host import HostSampler
from seatrial.observe.kernel_log import KernelLog
from seatrial.observe.network import NetworkSampler
from seatrial.observe.processes import ProcessSampler
from seatrial.observe.samples import LookingCost

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from seatrial.machine.members import Member, Role
    from seatrial.observe.samples import NodeAway, Sample
    from seatrial.systems.base import System

INTERVAL_S = 1.0
WHOLE_EVERY = 5
"""Every so many looks are whole: at losses, networks and threads, too, whose files cost more than all others.

Counters lose nothing by it: what they counted over the measure phase is between the whole looks at its ends.
"""


class Elsewhere(Protocol):
    """Looks at members that are not on this machine. Whatever does not answer there is no failure of the looking.

    ``interval_s`` is how often it is to be asked from now on; ``cpu_s`` is what it has taken here so far.
    """

    interval_s: float
    cpu_s: float

    async def look(self, members: Iterable[Member], *, at_once: bool = False) -> Sequence[Sample]:
        """Look once at all of them, in a way that no load beside it feels, or ``at_once``; return what is new."""

    async def finish(self, members: Iterable[Member]) -> Sequence[Sample]:
        """Look a last time; return what else there is to report, too."""

    def away(self) -> tuple[NodeAway, ...]:
        """Return which nodes could not be reached, and when."""

    def runs_beside(self) -> tuple[str, ...]:
        """Return which other runs of Seatrial were on the same nodes, and on which."""

    def remarks(self) -> tuple[str, ...]:
        """Return what could not be known, and why."""


class Sampler:
    """Looks at processes, machine and systems every ``interval_s`` until it is cancelled or stopped.

    ``members``, ``systems`` and the ``ports`` that each role listens on are asked at each look, since they change
    within a trial. Every sample goes to ``emit``, in the event loop's thread.
    """

    def __init__(
        self,
        emit: Callable[[Sample], None],
        members: Callable[[], Iterable[Member]],
        systems: Callable[[], Mapping[str, System]] = dict,
        *,
        ports: Callable[[], Mapping[Role, frozenset[int]]] = dict,
        interval_s: float = INTERVAL_S,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._emit = emit
        self._members = members
        self._systems = systems
        self._interval_s = interval_s
        self._elsewhere = elsewhere
        self._processes = ProcessSampler()
        self._host = HostSampler()
        self._network = NetworkSampler(ports)
        self.kernel_log = KernelLog()
        self._looks = 0
        self._cpu_s = 0.0
        self._late_s_max = 0.0
        self._started_s = time.monotonic()

    async def run(self) -> None:
        """Look at once, and then every interval; a look that is missed is skipped, not made up for."""
        self._started_s = time.monotonic()
        # Apart, because a frozen proxy answers no questions, and its processes are then most worth looking
        # at.
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._every_interval(self._look_at_once))
                group.create_task(self._every_interval(self._look_at_systems))
                group.create_task(self._every_interval(self._look_at_controllers))
                if (elsewhere := self._elsewhere) is not None:
                    group.create_task(self._every_interval(self.look_elsewhere, lambda: elsewhere.interval_s))
        except BaseExceptionGroup as failures:
            # What ``emit`` raised, such as a full disk, as it was raised.
            raise failures.exceptions[0] from None

    async def look(self) -> None:
        """Look once at everything, also between the intervals: before the ramp and after the hold.

        Nothing is measured then, so the memory of a large process is looked at closely, too.
        """
        self.look_here(closely=True, whole=True)
        await self._look_at_systems()

    async def look_elsewhere(self) -> None:
        """Look at members that are not here."""
        if self._elsewhere is not None:
            for sample in await self._elsewhere.look(self._members()):
                self._emit(sample)

    async def look_elsewhere_at_once(self, members: Iterable[Member]) -> None:
        """Look at these members, which are not here, and will not be there for long."""
        if self._elsewhere is not None:
            for sample in await self._elsewhere.look(members, at_once=True):
                self._emit(sample)

    async def finish_elsewhere(self) -> None:
        """Look there for the last time: what they did until the end is seen once it is over."""
        if self._elsewhere is not None:
            for sample in await self._elsewhere.finish(self._members()):
                self._emit(sample)

    def away(self) -> tuple[NodeAway, ...]:
        """Return which nodes could not be reached, and when."""
        return () if self._elsewhere is None else self._elsewhere.away()

    def runs_beside(self) -> tuple[str, ...]:
        """Return which other runs of Seatrial were on the nodes of members elsewhere."""
        return () if self._elsewhere is None else self._elsewhere.runs_beside()

    def remarks(self) -> tuple[str, ...]:
        """Return what could not be known of members elsewhere, and why."""
        return () if self._elsewhere is None else self._elsewhere.remarks()

    async def _every_interval(
        self, look: Callable[[], Awaitable[None]], every: Callable[[], float] | None = None
    ) -> None:
        due_s = time.monotonic()
        while True:
            self._late_s_max = max(self._late_s_max, time.monotonic() - due_s)
            await look()
            now_s, interval_s = time.monotonic(), self._interval_s if every is None else every()
            due_s += interval_s * max(1, math.ceil((now_s - due_s) / interval_s))
            await asyncio.sleep(due_s - now_s)

    async def _look_at_once(self) -> None:
        self.look_here(whole=self._looks % WHOLE_EVERY == 0)

    def look_here(self, *, closely: bool = False, whole: bool = False) -> None:
        """Look at processes and machine at this very moment: to be called, whole, where a phase begins or ends."""
        cpu_s = time.thread_time()
        at_s = time.monotonic()
        members = tuple(self._members())
        for sample in self._processes.sample(members, at_s, closely=closely, threads=whole):
            self._emit(sample)
        if self._elsewhere is None:
            self._look_at_machine(members, at_s, whole=whole)
        self._cpu_s += time.thread_time() - cpu_s
        self._looks += 1

    def _look_at_machine(self, members: Iterable[Member], at_s: float, *, whole: bool) -> None:
        """Look at this machine, where it is the roles'; of one that only conducts them it says nothing."""
        self._emit(self._host.sample(at_s, whole=whole))
        for message in self.kernel_log.read(at_s):
            self._emit(message)
        for network in self._network.sample(members, at_s) if whole else ():
            self._emit(network)

    async def _look_at_systems(self) -> None:
        for label, its in self._systems().items():
            for seen in await system.sample(label, its):
                self._emit(seen)

    async def _look_at_controllers(self) -> None:
        for label, its in self._systems().items():
            for seen in await system.sample_controllers(label, its):
                self._emit(seen)

    def close(self) -> None:
        """Let go of the kernel's messages."""
        self.kernel_log.close()

    def cost(self) -> LookingCost:
        """Return what looking has cost so far: CPU of all but asking systems and kubelets, which waits for answers."""
        elapsed_s = time.monotonic() - self._started_s
        cpu_s = self._cpu_s + (0.0 if self._elsewhere is None else self._elsewhere.cpu_s)
        return LookingCost(self._looks, cpu_s, elapsed_s, self._late_s_max)
