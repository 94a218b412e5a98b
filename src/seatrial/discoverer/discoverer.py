"""Keeps a destination as a source is: what differs goes through a queue to workers, who replicate it."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from seatrial.cluster.access import open_cluster
from seatrial.discoverer.bucket import Bucket
from seatrial.discoverer.calls import CallCounts, Calls, Refused
from seatrial.discoverer.destination import Destination
from seatrial.discoverer.queue import WorkQueue
from seatrial.discoverer.replicator import FOREIGN, Replicator
from seatrial.discoverer.services import named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from seatrial.cluster.client import Client
    from seatrial.cluster.connection.kubeconfig import Where
    from seatrial.discoverer.services import Key, Upstream
    from seatrial.discoverer.sources.base import Source


CYCLE_LIMITS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True)
class Settings:
    """How it is to work. ``qps`` 0 is no limit; ``retries`` is how often what failed is tried again at once."""

    into: Where
    backend: str
    period_s: float = 5.0
    workers: int = 2
    qps: float = 50.0
    burst: int = 100
    retries: int = 3


@dataclass(slots=True)
class Cycles:
    """How long it took to read the source and find what differs, those that failed, too.

    ``last_s`` is when the last that went well was over, CLOCK_MONOTONIC.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(CYCLE_LIMITS_S) + 1))
    sum_s: float = 0.0
    last_s: float | None = None

    def take(self, took_s: float) -> None:
        """Count one."""
        self.counts[bisect_left(CYCLE_LIMITS_S, took_s)] += 1
        self.sum_s += took_s


class Discoverer:
    """One, which ``run`` runs until it is cancelled; ``say`` is given what a person should know."""

    def __init__(self, settings: Settings, source: Source, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.source = source
        self.queue = self.make_queue()
        self.calls = CallCounts()
        self.errors: Counter[str] = Counter()
        self.cycles = Cycles()
        self.replicator: Replicator | None = None
        self._behind: set[Key] = set()
        self._say = say
        self._said = ""

    def make_queue(self) -> WorkQueue[Key]:
        """Return the queue: a lane for each namespace."""
        return WorkQueue(lambda key: key[0], self.settings.retries)

    def make_replicator(self, client: Client) -> Replicator:
        """Return what does the work."""
        bucket = Bucket(self.settings.qps, self.settings.burst)
        return Replicator(Destination(client, self.settings.backend), Calls(client, bucket))

    async def run(self) -> None:
        """Do it, for ever. Raises ``ClusterFault`` where the destination cannot be opened at first."""
        async with open_cluster(self.settings.into, self.calls.take) as client:
            self.replicator = self.make_replicator(client)
            ready = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(self.replicator.destination.follow(self.look, self.failed, ready))
                # What is there and not known would be made again, or left.
                await ready.wait()
                group.create_task(self.source.follow(self))
                for _ in range(self.settings.workers):
                    group.create_task(self._work())

    @property
    def upstream(self) -> int:
        """How many services the source has."""
        return len(self._known())

    @property
    def replicated(self) -> int:
        """How many services are in the destination as they are in the source."""
        return 0 if self.replicator is None else len(self.replicator.wanted) - len(self._behind)

    @property
    def trouble(self) -> str:
        """Why it does not do what it should at the moment, empty where it does."""
        if self.cycles.last_s is None:
            return "the source has not been read yet"
        behind_s = monotonic() - self.cycles.last_s
        return (
            f"the source was read last {behind_s:.1f} s ago"
            if behind_s > 3 * self.settings.period_s + 10
            else ""
        )

    def replace(self, found: Iterable[Upstream]) -> None:
        """Take all services of the source."""
        assert self.replicator is not None
        services = named(found)
        for key in [key for key in self._known() if key not in services]:
            self.apply(key, None)
        for key, service in services.items():
            self.apply(key, service)

    def apply(self, key: Key, service: Upstream | None) -> None:
        """Take one service of the source, None where it is gone."""
        assert self.replicator is not None
        self.replicator.want(key, service)
        # Until it has been looked at.
        (self._behind.add if key in self.replicator.wanted else self._behind.discard)(key)

    def compare(self) -> None:
        """Look at everything, also at what somebody else may have changed, and what was dropped."""
        assert self.replicator is not None
        for key in [*self.replicator.wanted, *self._unwanted()]:
            self.look(key)

    def look(self, key: Key) -> None:
        """Have a service worked on where it is not as it should be. Nothing is, before the source has been read."""
        assert self.replicator is not None
        if self.cycles.last_s is not None and not self._is_there(key):
            self.queue.add(key)

    def cycle(self, began_s: float, *, is_whole: bool) -> None:
        """Take that a cycle is over; compare everything if the source has ever been read."""
        if is_whole:
            self.cycles.last_s = monotonic()
            if self._said:
                self._say("the source is read again")
            self._said = ""
        if self.cycles.last_s is not None:
            self.compare()
        self.cycles.take(monotonic() - began_s)

    def failed(self, errortype: str, text: str) -> None:
        """Count an error; say it, unless the last was the same."""
        self.errors[errortype] += 1
        if errortype != self._said:
            self._say(text)
            self._said = errortype

    async def carry(self, key: Key) -> None:
        """Replicate one service; raises ``Refused``."""
        assert self.replicator is not None
        await self.replicator.carry(key)

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                await self.carry(key)
            except Refused as refused:
                self.errors[refused.kind] += 1
                is_final = refused.kind == FOREIGN
                if not self.queue.fail(key, refused.retry_after_s, is_final=is_final):
                    self._say(f"dropped {'/'.join(key)} until the next cycle: {refused}")
            else:
                self.queue.finish(key)
                self._is_there(key)

    def _is_there(self, key: Key) -> bool:
        """Return whether a service is as it should be, and remember it: all are too many to count when asked."""
        assert self.replicator is not None
        is_there = not self.replicator.steps(key)
        if is_there or key not in self.replicator.wanted:
            self._behind.discard(key)
        else:
            self._behind.add(key)
        return is_there

    def _known(self) -> list[Key]:
        replicator = self.replicator
        return [] if replicator is None else [*replicator.wanted, *replicator.unread]

    def _unwanted(self) -> list[Key]:
        assert self.replicator is not None
        wanted = self.replicator.wanted
        return [key for key in self.replicator.destination.held if key not in wanted]
