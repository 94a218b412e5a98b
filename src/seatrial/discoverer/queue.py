"""A work queue with client-go's promises: an item is in it once, never in two hands, and comes again if it must.

What is added while it is worked on is done once more after that. What failed comes again after a while that doubles,
and is dropped after so many times. Unlike client-go's it has a lane for each namespace, which are served in turns.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Item = TypeVar("Item", bound="Hashable")

PAUSE_FIRST_S = 0.05
PAUSE_LIMIT_S = 30.0


class _State(Enum):
    WAITING = auto()
    DELAYED = auto()
    IN_WORK = auto()
    AGAIN = auto()
    """In work, and added meanwhile."""


class WorkQueue(Generic[Item]):
    """Items to work on; ``lane`` says which lane an item is of, ``retries`` how often a failed one comes again.

    ``enqueued``, ``done`` and ``dropped`` count items, ``retries_made`` attempts:
    ``enqueued = done + dropped + depth`` at every moment.
    """

    def __init__(self, lane: Callable[[Item], str], retries: int) -> None:
        self.enqueued = self.done = self.dropped = self.retries_made = 0
        self._lane = lane
        self._retries = retries
        self._lanes: dict[str, deque[Item]] = {}
        self._turns: deque[str] = deque()
        self._states: dict[Item, _State] = {}
        self._failures: dict[Item, int] = {}
        self._getters: deque[asyncio.Future[None]] = deque()

    @property
    def depth(self) -> int:
        """How many are not done: waiting, delayed or in work."""
        return len(self._states)

    def add(self, item: Item) -> None:
        """Have an item worked on; one that is in the queue already stays as it is."""
        state = self._states.get(item)
        if state is None:
            self.enqueued += 1
            self._wait(item)
        elif state is _State.IN_WORK:
            self._states[item] = _State.AGAIN

    async def get(self) -> Item:
        """Take the next, as soon as there is one; it is in work until :meth:`finish` or :meth:`fail`."""
        while not self._turns:
            getter = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            await getter
        lane = self._turns.popleft()
        items = self._lanes[lane]
        item = items.popleft()
        if items:
            self._turns.append(lane)
        else:
            del self._lanes[lane]
        self._states[item] = _State.IN_WORK
        return item

    def finish(self, item: Item) -> None:
        """Have done an item, unless it was added meanwhile."""
        self._failures.pop(item, None)
        if self._states[item] is _State.AGAIN:
            self._wait(item)
            return
        del self._states[item]
        self.done += 1

    def fail(self, item: Item, at_least_s: float = 0.0, *, is_final: bool = False) -> bool:
        """Have an item come again after a while, at least so long; return False where it is dropped instead.

        What ``is_final`` is of no use to try again.
        """
        failures = self._failures[item] = self._failures.get(item, 0) + 1
        if failures <= self._retries and not is_final:
            self.retries_made += 1
            self._delay(item, max(min(PAUSE_FIRST_S * 2 ** (failures - 1), PAUSE_LIMIT_S), at_least_s))
            return True
        del self._failures[item]
        if self._states[item] is _State.AGAIN:
            # Something is new about it.
            self._wait(item)
            return True
        del self._states[item]
        self.dropped += 1
        return False

    def _delay(self, item: Item, pause_s: float) -> None:
        self._states[item] = _State.DELAYED
        asyncio.get_running_loop().call_later(pause_s, self._wait, item)

    def _wait(self, item: Item) -> None:
        self._states[item] = _State.WAITING
        self._put(item)
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    def _put(self, item: Item) -> None:
        lane = self._lane(item)
        if lane not in self._lanes:
            self._lanes[lane] = deque()
            self._turns.append(lane)
        self._lanes[lane].append(item)
