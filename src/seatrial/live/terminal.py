"""Progress on stderr: phase, time left, rate and p99 of the last interval, held connections. Changes nothing."""

from __future__ import annotations

import io
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TextIO

from seatrial.live.state import Judge, LiveState, progress_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.live import Live

    from seatrial.record.events import Event

# Often enough to see that it lives, seldom enough for a log file.
PLAIN_LINE_EVERY_S = 10.0


class TerminalView:
    """A listener for ``RunWriter.subscribe``: one live line in a terminal, plain lines elsewhere.

    ``judge`` says of a trial that has ended whether it may be believed.

    Use as a context manager, so that the terminal is left as it was found.
    """

    def __init__(self, stream: TextIO | None = None, judge: Judge | None = None) -> None:
        # A program without a terminal may have no stderr at all.
        stream = stream if stream is not None else sys.stderr or io.StringIO()
        self._state = LiveState() if judge is None else LiveState(judge=judge)
        self._output: _LiveLine | _PlainLines = _LiveLine(stream) if stream.isatty() else _PlainLines(stream)

    def __call__(self, event: Event) -> None:
        """Take one event."""
        self._output.show(self._state.take(event), self._state)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Say what is still to be said, and leave the terminal as it was found."""
        if lines := self._state.last_trial():
            self._output.show(lines, self._state)
        self._output.close()


@dataclass(slots=True)
class _PlainLines:
    """One line for each trial when it ends; of a single load one for each phase, and one every ten seconds."""

    stream: TextIO
    last_s: float = field(default_factory=time.monotonic)

    def show(self, headings: Sequence[str], state: LiveState) -> None:
        now_s = time.monotonic()
        for heading in headings:
            self._write(heading, now_s)
        if state.trial is None and now_s - self.last_s >= PLAIN_LINE_EVERY_S and state.phase is not None:
            self._write(f"  {progress_line(state, now_s)}", now_s)

    def close(self) -> None:
        with suppress(OSError, ValueError):
            self.stream.flush()

    def _write(self, text: str, now_s: float) -> None:
        self.last_s = now_s
        # Progress that cannot be shown, on a full disk or a closed stream, is no reason to end a load.
        with suppress(OSError, ValueError):
            self.stream.write(f"{text}\n")
            self.stream.flush()


class _LiveLine:
    """A line that is redrawn four times a second below the headings."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=stream, highlight=False, markup=False)
        self._live: Live | None = None
        self._state: LiveState | None = None

    def show(self, headings: Sequence[str], state: LiveState) -> None:
        self._state = state
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
            console=self._console, refresh_per_second=4, transient=True, get_renderable=self._line,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        live.start()
        return live

    def _line(self) -> str:
        return "" if self._state is None else progress_line(self._state, time.monotonic())
