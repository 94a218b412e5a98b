"""Each has one fault, and is as right as the reference in everything else."""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import Any

from seatrial.cluster.client import Client
from seatrial.discoverer.bucket import Bucket
from seatrial.discoverer.calls import NOT_FOUND, Calls, Refused
from seatrial.discoverer.destination import Destination
from seatrial.discoverer.differences import Step
from seatrial.discoverer.discoverer import Discoverer
from seatrial.discoverer.queue import WorkQueue
from seatrial.discoverer.replicator import Replicator
from seatrial.discoverer.services import Key, Upstream


class Relative(Discoverer):
    """What all of them have: flags of their own."""

    @classmethod
    def flags(cls, given: list[str]) -> list[str]:
        """Return the flags that the command gets; what a person gives counts more than what is put in front."""
        return given

    def replicator_of(self, kind: type[Replicator], client: Client) -> Replicator:
        bucket = Bucket(self.settings.qps, self.settings.burst)
        return kind(Destination(client, self.settings.backend), Calls(client, bucket))


class Rewrites(Relative):
    """Enqueues an update of every object in each cycle, whether anything has changed or not, and never the same item.

    gimbal#95: at 5 calls a second its queue only grows.
    """

    @classmethod
    def flags(cls, given: list[str]) -> list[str]:
        return ["--qps", "5", "--burst", "10", *given]

    def make_queue(self) -> WorkQueue[Key]:
        # client-go's queue recognises an item that is in it already by what it points at, and these are new each time.
        self._serial = count()
        return WorkQueue(lambda key: key[0], self.settings.retries)

    def compare(self) -> None:
        super().compare()
        assert self.replicator is not None
        for namespace, name in self.replicator.wanted:
            self.queue.add((namespace, f"{name}#{next(self._serial)}"))

    async def carry(self, key: Key) -> None:
        namespace, name = key[0], key[1].partition("#")[0]
        await super().carry((namespace, name))
        if "#" not in key[1]:
            return
        assert self.replicator is not None
        for one in list(self.replicator.destination.held.get((namespace, name), ())):
            await self.replicator.do((namespace, name), Step("update", one))


class _LeakingQueue(WorkQueue[Key]):
    """Does not count down what was added while it was worked on, or every tenth."""

    leaked = 0

    @property
    def depth(self) -> int:
        return super().depth + self.leaked

    def finish(self, item: Key) -> None:
        before = self.done
        super().finish(item)
        if self.done > before and self.done % 10 == 1:
            self.leaked += 1


class Gauge(Relative):
    """Its gauge of the queue never returns to zero: some items are not counted down (gimbal#117)."""

    def make_queue(self) -> WorkQueue[Key]:
        return _LeakingQueue(lambda key: key[0], self.settings.retries)


class Drops(Relative):
    """Drops an item after one error, and does not look at it again until the source changes it (gimbal PR #141)."""

    @classmethod
    def flags(cls, given: list[str]) -> list[str]:
        return [*given, "--retries", "0"]

    def make_queue(self) -> WorkQueue[Key]:
        self._lost: dict[Key, Upstream | None] = {}
        return super().make_queue()

    async def carry(self, key: Key) -> None:
        assert self.replicator is not None
        wanted = self.replicator.wanted.get(key)
        try:
            await super().carry(key)
        except Refused:
            self._lost[key] = wanted
            raise

    def look(self, key: Key) -> None:
        assert self.replicator is not None
        if key in self._lost and self._lost[key] == self.replicator.wanted.get(key):
            return
        self._lost.pop(key, None)
        super().look(key)


class Limited(Relative):
    """Makes 5 calls a second, 10 at once after a rest, whatever it is told (gimbal#140)."""

    @classmethod
    def flags(cls, given: list[str]) -> list[str]:
        return [*given, "--qps", "5", "--burst", "10"]


class _OneLane(WorkQueue[Key]):
    """First come, first served; but what has failed and is to be deleted comes again at once, in front of all."""

    is_deletion: Any = None
    _is_retry = False

    def _put(self, item: Key) -> None:
        items = self._lanes.setdefault("", deque())
        if not items:
            self._turns.append("")
        (items.appendleft if self._is_retry else items.append)(item)

    def _delay(self, item: Key, pause_s: float) -> None:
        if not self.is_deletion(item):
            super()._delay(item, pause_s)
            return
        self._is_retry = True
        self._wait(item)
        self._is_retry = False


class _Doomed(Replicator):
    """Takes it for an error that what is to be deleted is gone already, and for a reason to try again."""

    async def learn(self, key: Key, step: Step, refused: Refused) -> None:
        if refused.status == NOT_FOUND and step.verb == "delete":
            raise refused
        await super().learn(key, step, refused)


class Starves(Relative):
    """One worker and one line, with deletions that failed in front: a storm in one holds up all (gimbal#134)."""

    @classmethod
    def flags(cls, given: list[str]) -> list[str]:
        return [*given, "--workers", "1"]

    def make_queue(self) -> WorkQueue[Key]:
        queue = _OneLane(lambda _: "", self.settings.retries)
        queue.is_deletion = lambda key: self.replicator is not None and key not in self.replicator.wanted
        return queue

    def make_replicator(self, client: Client) -> Replicator:
        return self.replicator_of(_Doomed, client)


class _Leaving(Replicator):
    def steps(self, key: Key) -> list[Step]:
        return [step for step in super().steps(key) if step.verb != "delete"]


class Leaves(Relative):
    """Does not delete anything."""

    def make_replicator(self, client: Client) -> Replicator:
        return self.replicator_of(_Leaving, client)
