"""The HdrHistogram log, format 1.3: one line an interval, read by every HdrHistogram tool.

A line is ``Tag=<phase>-w<worker>,<start s>,<length s>,<max ms>,<base64 V2>``; starts count from the base time
in the header. Histograms here hold microseconds, so the third number is milliseconds.
Source: HistogramLogWriter and HistogramLogReader of the Java HdrHistogram.
"""

from __future__ import annotations

import contextlib
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADER = """\
#[Logged with seatrial {version}; values are microseconds, Interval_Max is milliseconds]
#[Histogram log format version 1.3]
#[StartTime: {start:.3f} (seconds since epoch), {text}]
#[BaseTime: {start:.3f} (seconds since epoch)]
"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
"""

_NUMBER = r"(\d+(?:\.\d+)?)"
_LINE = re.compile(rf"(?:Tag=([^,\s]+),)?{_NUMBER},{_NUMBER},{_NUMBER},([A-Za-z0-9+/]+=*)\n")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One interval; ``start_s`` counts from the base time, ``histogram`` is base64 V2 in microseconds."""

    tag: str | None
    start_s: float
    length_s: float
    histogram: str


class HistogramLogWriter:
    """Appends intervals to one ``.hlog``; what is flushed survives the death of this process."""

    def __init__(self, path: Path, *, start_epoch_s: float, version: str) -> None:
        self._file = path.open("w", encoding="ascii", errors="replace")
        text = datetime.fromtimestamp(start_epoch_s, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
        self._file.write(HEADER.format(version=version, start=start_epoch_s, text=text))

    def append(self, line: LogLine) -> None:
        """Write one interval; ``start_s`` must not be negative."""
        from seatrial._engine import Histogram

        longest_ms = Histogram.decode(line.histogram).max_us / 1_000
        tag = "" if line.tag is None else f"Tag={line.tag},"
        self._file.write(f"{tag}{line.start_s:.3f},{line.length_s:.3f},{longest_ms:.3f},{line.histogram}\n")

    def flush(self) -> None:
        """Hand what is buffered to the kernel."""
        self._file.flush()

    def close(self) -> None:
        """Flush and close."""
        self._file.close()

    def abandon(self) -> None:
        """Close without what is buffered, where the disk does not take it."""
        # Closing tries once more to write; the descriptor is gone after it in any case.
        with contextlib.suppress(OSError):
            self._file.close()


def read_histogram_log(path: Path) -> Iterator[LogLine]:
    """Yield every whole interval. Comments, the legend and a line torn by a crash are passed over."""
    with path.open(encoding="ascii", errors="replace") as file:
        for text in file:
            match = _LINE.fullmatch(text)
            if match is not None:
                yield LogLine(match[1], float(match[2]), float(match[3]), match[5])


def tag_of(phase: str, worker: int) -> str:
    """Return the tag under which a worker's intervals of a phase are written."""
    return f"{phase}-w{worker}"


def seconds_between(earlier_s: float, later_s: float) -> float:
    """Return the difference, never below zero and rounded down to the millisecond that the format keeps."""
    return math.floor(max(0.0, later_s - earlier_s) * 1_000) / 1_000
