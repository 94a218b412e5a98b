"""What signals ask of a command that is under way: the first to end in order, the second to end at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from seatrial.errors import ExitCode

if TYPE_CHECKING:
    from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

INSISTENCE = 6
"""Whoever sends as many has something before them that hangs, such as a file that nobody reads: the process ends."""


class Signals:
    """While it is entered, Ctrl-C and its like end nothing by themselves: the work hears of them.

    ``count`` says how many came. Within the event loop ``events`` gives the two that the work looks at. What is
    written after the loop is written to its end, whatever comes.
    """

    def __init__(self) -> None:
        """No signal has come."""
        self.count = 0
        self._words: tuple[str, ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._events: tuple[asyncio.Event, asyncio.Event] | None = None

    def events(self) -> tuple[asyncio.Event, asyncio.Event]:
        """Return the event of the first signal (end in order) and that of the second (end at once)."""
        self._loop, self._events = asyncio.get_running_loop(), (asyncio.Event(), asyncio.Event())
        self._set()
        return self._events

    def announce(self, *words: str) -> None:
        """Have the next signal print the first of these lines on stderr, and so on; the last is for all that follow."""
        self._words = words

    def __enter__(self) -> Self:
        """Take the signals, but for a hang-up that is ignored, as under nohup."""
        taken = [number for number in NUMBERS if not _is_ignored_hangup(number)]
        self._before = {number: signal.signal(number, self._on_signal) for number in taken}
        return self

    def __exit__(self, *_: object) -> None:
        """Give them back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count >= INSISTENCE:
            os._exit(ExitCode.INTERRUPTED)
        self._print()
        if self._loop is not None:
            # The loop may be over by now.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._set)

    def _print(self) -> None:
        if not self._words or sys.stderr is None:
            return
        line, self._words = self._words[0], self._words[1:] or self._words
        # Not through the stream: it may be in the middle of a line of its own, and may not be entered twice. Nobody
        # may be there to read it.
        with suppress(OSError, ValueError):
            os.write(sys.stderr.fileno(), f"\n{line}\n".encode())

    def _set(self) -> None:
        for event, least in zip(self._events or (), (1, 2), strict=False):
            if self.count >= least:
                event.set()


def _is_ignored_hangup(number: signal.Signals) -> bool:
    return number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN
