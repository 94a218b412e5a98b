"""Progress on stderr: one screen in a terminal, plain lines elsewhere. Changes nothing."""

from __future__ import annotations

import io
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TextIO

from seatrial.live.terminal.lines import Course, Judge, progress_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from rich.live import Live

    from seatrial.record.events import Event

# Often enough to see that it lives, seldom enough for a log file.
PLAIN_LINE_EVERY_S = 10.0
CLOSE_LIMIT_S = 10.0
"""A terminal that is stopped (Ctrl-S) takes nothing. The reports are written all the same."""
REFRESH_PER_S = 2
"""Intervals are of a second. To draw one takes a millisecond or two, of the process that also samples."""


class TerminalView:
    """A listener for ``RunWriter.subscribe``: one live screen in a terminal, plain lines elsewhere.

    ``judge`` says of a trial that has ended whether it may be believed.

    Use as a context manager, so that the terminal is left as it was found.
    """

    def __init__(self, stream: TextIO | None = None, judge: Judge | None = None) -> None:
        # A program without a terminal may have no stderr at all.
        stream = stream if stream is not None else sys.stderr or io.StringIO()
        self._course = Course() if judge is None else Course(judge=judge)
        # What draws is a thread of its own.
        self._lock = threading.Lock()
        self._output: _Screen | _PlainLines = (
            _Screen(stream, self._lock) if stream.isatty() else _PlainLines(stream)
        )

    def __call__(self, event: Event) -> None:
        """Take one event."""
        with self._lock:
            headings = self._course.take(event)
        self._output.show(headings, self._course)

    def pin(self, line: str) -> None:
        """Keep a line in sight, from whichever thread: where else the run is shown."""
        with self._lock:
            self._course.pinned.append(line)
        self._output.show((line,) if isinstance(self._output, _PlainLines) else (), self._course)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Say what is still to be said, and leave the terminal as it was found, unless it takes nothing any more."""
        closing = threading.Thread(target=self._close, name="view", daemon=True)
        closing.start()
        closing.join(CLOSE_LIMIT_S)

    def _close(self) -> None:
        if lines := self._course.last_trial():
            self._output.show(lines, self._course)
        self._output.close()


@dataclass(slots=True)
class _PlainLines:
    """One line for each trial when it ends; of a single load one for each phase, and one every ten seconds."""

    stream: TextIO
    last_s: float = field(default_factory=time.monotonic)

    def show(self, headings: Sequence[str], course: Course) -> None:
        now_s = time.monotonic()
        for heading in headings:
            self._write(heading, now_s)
        live = course.live
        if live.trial is None and now_s - self.last_s >= PLAIN_LINE_EVERY_S and live.phase is not None:
            self._write(f"  {progress_line(live, now_s)}", now_s)

    def close(self) -> None:
        with suppress(OSError, ValueError):
            self.stream.flush()

    def _write(self, text: str, now_s: float) -> None:
        self.last_s = now_s
        # Progress that cannot be shown, on a full disk or a closed stream, is no reason to end a load.
        with suppress(OSError, ValueError):
            self.stream.write(f"{text}\n")
            self.stream.flush()


class _Screen:
    """What goes on now, redrawn twice a second below the lines of what has been."""

    def __init__(self, stream: TextIO, lock: threading.Lock) -> None:
        from rich.console import Console

        self._lock = lock
        self._console = Console(file=stream, highlight=False, markup=False)
        self._live: Live | None = None
        self._course: Course | None = None

    def show(self, headings: Sequence[str], course: Course) -> None:
        self._course = course
        if self._live is None:
            self._live = self._start()
        for heading in headings:
            if not heading.startswith(" "):
                self._live.console.print(heading)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _start(self) -> Live:
        from rich.live import Live

        live = Live(
            console=self._console, refresh_per_second=REFRESH_PER_S, transient=True, get_renderable=self._drawn,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        live.start()
        return live

    def _drawn(self) -> RenderableType:
        from seatrial.live.terminal.screen import screen

        if self._course is None:
            return ""
        size = self._console.size
        with self._lock:
            return screen(self._course, time.monotonic(), size.width, size.height)
