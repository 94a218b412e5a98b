"""What a single load leaves in files: the V2 histogram log of its latencies and its time series."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from pathlib import Path

from seatrial._version import __version__
from seatrial.analysis.load.histograms import merged
from seatrial.analysis.load.intervals import frames_by_step
from seatrial.analysis.load.result import LoadResult
from seatrial.analysis.load.window import window_of
from seatrial.generator.account import LoadAccount
from seatrial.generator.frames import Frame
from seatrial.record.histograms.log import HistogramLogWriter, LogLine
from seatrial.report.files import unwritable

SERIES_COLUMNS = (
    "start_s",
    "sent",
    "completed",
    "errors",
    "held",
    "latency_us_p50",
    "latency_us_p99",
    "latency_us_max",
    "lateness_us_p99",
    "lateness_us_max",
    "length_s",
    "answered",
    "drain",
)


def write_hdr_log(path: Path, account: LoadAccount, frames: Sequence[Frame]) -> None:
    """Write the latencies of the measure window, all workers merged, a line for each interval, and one for the drain.

    Values are microseconds. Any HdrHistogram tool reads the file. Raises ``EnvironmentFault`` if it cannot be written.
    """
    window = window_of(account, frames)
    start_epoch_s = time.time() - (time.monotonic_ns() - window.start_ns) / 1e9
    try:
        writer = HistogramLogWriter(path, start_epoch_s=start_epoch_s, version=__version__)
        for step, own in frames_by_step(window, account.asked.interval_s, frames).items():
            latency = merged(own, "latency")
            if latency.count:
                writer.append(LogLine(None, step.start_s, step.length_s, latency.encode()))
        writer.close()
    except OSError as error:
        raise unwritable(path, error) from None


def write_series(path: Path, result: LoadResult) -> None:
    """Write the time series as CSV, a row for each interval; raises ``EnvironmentFault`` if that cannot be done."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(SERIES_COLUMNS)
            for one in result.intervals:
                latencies = (one.latency_us["p50"], one.latency_us["p99"], one.latency_us["max"])
                lateness = (one.lateness_us["p99"], one.lateness_us["max"])
                counts = (one.start_s, one.sent, one.completed, one.errors, one.held)
                added = (one.length_s, one.answered, int(one.drain))
                rows.writerow((*counts, *latencies, *lateness, *added))
    except OSError as error:
        raise unwritable(path, error) from None
