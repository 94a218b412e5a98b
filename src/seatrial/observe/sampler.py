"""The sampler: looks at everything once an interval, beside the load."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.observe import host, system
from seatrial.observe.processes import ProcessSampler
from seatrial.observe.tcp import OWN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from seatrial.machine.members import Member
    from seatrial.machine.namespace import Namespace
    from seatrial.observe.samples import Sample
    from seatrial.systems.base import System

INTERVAL_S = 1.0


@dataclass(frozen=True, slots=True)
class SamplerCost:
    """What the looking itself has cost. ``late_s_max`` is how far a look came after its time at worst."""

    looks: int
    cpu_s: float
    elapsed_s: float
    late_s_max: float

    @property
    def cores(self) -> float:
        """Return the mean use of a CPU, 1.0 for a whole one."""
        return self.cpu_s / self.elapsed_s if self.elapsed_s > 0 else 0.0


class Sampler:
    """Looks at processes, machine and systems every ``interval_s`` until it is cancelled or stopped.

    ``members`` and ``systems`` are asked at each look, since both change within a trial. Every sample goes
    to ``emit``, in the event loop's thread. What is of sockets is of all ``networks`` together.
    """

    def __init__(
        self,
        emit: Callable[[Sample], None],
        members: Callable[[], Iterable[Member]],
        systems: Callable[[], Mapping[str, System]] = dict,
        *,
        interval_s: float = INTERVAL_S,
        networks: Sequence[Namespace | None] = OWN,
    ) -> None:
        self._networks = networks
        self._emit = emit
        self._members = members
        self._systems = systems
        self._interval_s = interval_s
        self._sampler = ProcessSampler()
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
        except BaseExceptionGroup as failures:
            # What ``emit`` raised, such as a full disk, as it was raised.
            raise failures.exceptions[0] from None

    async def look(self) -> None:
        """Look once at everything, also between the intervals: before the ramp and after the hold.

        Nothing is measured then, so the memory of a large process is looked at closely, too.
        """
        self.look_here(closely=True)
        await self._look_at_systems()

    async def _every_interval(self, look: Callable[[], Awaitable[None]]) -> None:
        due_s = time.monotonic()
        while True:
            self._late_s_max = max(self._late_s_max, time.monotonic() - due_s)
            await look()
            now_s = time.monotonic()
            due_s += self._interval_s * max(1, math.ceil((now_s - due_s) / self._interval_s))
            await asyncio.sleep(due_s - now_s)

    async def _look_at_once(self) -> None:
        self.look_here()

    def look_here(self, *, closely: bool = False) -> None:
        """Look at processes and machine at this very moment: to be called where a phase begins or ends."""
        cpu_s = time.thread_time()
        at_s = time.monotonic()
        for sample in self._sampler.sample(self._members(), at_s, closely=closely):
            self._emit(sample)
        self._emit(host.sample(at_s, self._networks))
        self._cpu_s += time.thread_time() - cpu_s
        self._looks += 1

    async def _look_at_systems(self) -> None:
        for label, its in self._systems().items():
            for seen in await system.sample(label, its):
                self._emit(seen)

    def cost(self) -> SamplerCost:
        """Return what looking has cost so far: CPU of the processes' and the machine's part."""
        elapsed_s = time.monotonic() - self._started_s
        return SamplerCost(self._looks, self._cpu_s, elapsed_s, self._late_s_max)
