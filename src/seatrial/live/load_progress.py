"""The progress of one load on stderr: phase, time left, rate, p99 and held connections.

A terminal gets one line that is written over each second; anything else gets a line for each phase and one every ten
seconds.
"""

from __future__ import annotations

import sys
import time

from seatrial._engine import Histogram
from seatrial.load.frames import Frame
from seatrial.load.spec import LoadSpec
from seatrial.units import format_count, format_duration

PLAIN_EVERY_S = 10.0
CLEAR_LINE = "\r\x1b[K"


class LoadProgress:
    """Hears of phases and frames, and changes nothing."""

    def __init__(self, load: LoadSpec) -> None:
        self._load = load
        self._is_terminal = sys.stderr.isatty()
        self._phase = ""
        self._phase_ends_s = 0.0
        self._printed_s = 0.0
        self._frames: dict[int, Frame] = {}

    def on_phase(self, phase: str, at_ns: int, expected_s: float | None) -> None:
        """Begin a phase."""
        if expected_s == 0:
            return
        self._phase = phase
        self._phase_ends_s = at_ns / 1e9 + (expected_s or 0.0)
        self._print(self._status())

    def on_frame(self, frame: Frame) -> None:
        """Take one interval of one worker; a line is due when the slowest worker has told of it."""
        is_complete = frame.worker in self._frames
        if is_complete:
            self._report()
            self._frames.clear()
        self._frames[frame.worker] = frame

    def _report(self) -> None:
        if self._is_terminal or time.monotonic() - self._printed_s >= PLAIN_EVERY_S:
            self._print(f"{self._status()}, {self._numbers()}")

    def _status(self) -> str:
        left_s = max(0.0, self._phase_ends_s - time.monotonic())
        return f"{self._phase}, {format_duration(round(left_s))} left"

    def _numbers(self) -> str:
        frames = self._frames.values()
        length_s = max((frame.end_ns - frame.start_ns) / 1e9 for frame in frames)
        completed = sum(part.completed for frame in frames for part in frame.parts)
        latency = Histogram()
        for frame in frames:
            for part in frame.parts:
                latency.add_encoded(part.latency)
        rate_per_s = completed / length_s if length_s else 0.0
        text = f"{rate_per_s:,.0f} requests/s, p99 {latency.quantile_us(0.99) / 1e3:.2f} ms"
        if self._load.held:
            held = sum(frame.held for frame in frames)
            text += f", {format_count(held)} of {format_count(self._load.held)} connections held"
        return text

    def _print(self, line: str) -> None:
        self._printed_s = time.monotonic()
        sys.stderr.write(f"{CLEAR_LINE}{line}" if self._is_terminal else f"{line}\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Leave the terminal's line to what comes next."""
        if self._is_terminal:
            sys.stderr.write(CLEAR_LINE)
            sys.stderr.flush()
