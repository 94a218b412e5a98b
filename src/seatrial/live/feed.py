"""What happens, handed to a view in a thread of its own: one that is slow, or fails, takes nothing from a run."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Self

from seatrial.record.events import (
    Event,
    FrameRecorded,
    HostSampled,
    NetworkSampled,
    ProcessSampled,
    SystemSampled,
)

WAITING_LIMIT = 1_000
"""Events that may wait for a view; beyond that frames and samples are left out, the course of a run never."""

CLOSE_LIMIT_S = 10.0
"""How long a view may take for what is left when all is over."""

_DISPENSABLE = (FrameRecorded, ProcessSampled, HostSampled, NetworkSampled, SystemSampled)


class Feed:
    """A listener that never waits for its view. Use as a context manager: its end waits for what is left.

    ``left_out`` counts the events that the view was too slow for; ``error`` is what it raised: it gets no more then.
    """

    def __init__(self, view: Callable[[Event], None]) -> None:
        self.left_out = 0
        self.error: Exception | None = None
        self._view = view
        self._events: deque[Event] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="view", daemon=True)

    def __call__(self, event: Event) -> None:
        """Take one event, from whichever thread."""
        with self._changed:
            if self.error is not None:
                return
            if len(self._events) >= WAITING_LIMIT and isinstance(event, _DISPENSABLE):
                self.left_out += 1
                return
            self._events.append(event)
            self._changed.notify()

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let the view take what is left, for a while."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(CLOSE_LIMIT_S)

    def _run(self) -> None:
        while (event := self._next()) is not None:
            try:
                self._view(event)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the view's own
                with self._changed:
                    self.error = error
                    self._events.clear()
                return

    def _next(self) -> Event | None:
        with self._changed:
            while not self._events and not self._closed:
                self._changed.wait()
            return self._events.popleft() if self._events else None
