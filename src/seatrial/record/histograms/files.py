"""The ``.hlog`` files of a run, written as the frames come in: one for each trial and kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial._version import __version__
from seatrial.record.events import Event, FrameRecorded, TrialEnded, TrialStarted
from seatrial.record.histograms.log import HistogramLogWriter, LogLine, seconds_between, tag_of
from seatrial.record.layout import file_safe
from seatrial.record.tables.frame_rows import log_histograms

if TYPE_CHECKING:
    from pathlib import Path

NANOSECONDS = 1_000_000_000


class HistogramFiles:
    """Keeps the files of the running trial open; ``epoch_of_zero_s`` is when monotonic zero was."""

    def __init__(self, directory: Path, epoch_of_zero_s: float) -> None:
        self._directory = directory
        self._epoch_of_zero_s = epoch_of_zero_s
        self._trials: dict[int, TrialStarted] = {}
        self._writers: dict[tuple[int, str], HistogramLogWriter] = {}

    def take(self, event: Event) -> None:
        """Write what concerns the files; other events are passed over."""
        if isinstance(event, TrialStarted):
            self._trials[event.trial] = event
        elif isinstance(event, FrameRecorded):
            self._write(event)
        elif isinstance(event, TrialEnded):
            self._close_trial(event.trial)

    def flush(self) -> None:
        """Hand what is buffered to the kernel."""
        for writer in self._writers.values():
            writer.flush()

    def close(self) -> None:
        """Close every file."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def abandon(self) -> None:
        """Let go of every file without what is buffered: the disk does not take it."""
        for writer in self._writers.values():
            writer.abandon()
        self._writers.clear()

    def _write(self, event: FrameRecorded) -> None:
        frame, trial = event.frame, self._trials.get(event.trial)
        if trial is None:
            return
        start_s, end_s = frame.start_ns / NANOSECONDS, frame.end_ns / NANOSECONDS
        since_s, length_s = seconds_between(trial.at_s, start_s), seconds_between(start_s, end_s)
        for phase, kind, histogram in log_histograms(frame):
            if histogram:
                line = LogLine(tag_of(phase, frame.worker), since_s, length_s, histogram)
                self._writer(trial, kind).append(line)

    def _writer(self, trial: TrialStarted, kind: str) -> HistogramLogWriter:
        key = trial.trial, kind
        if key not in self._writers:
            name = f"{trial.trial:03d}-{file_safe(trial.case_id)}-r{trial.repeat}.{kind}.hlog"
            self._writers[key] = HistogramLogWriter(
                self._directory / name,
                start_epoch_s=self._epoch_of_zero_s + trial.at_s,
                version=__version__,
            )
        return self._writers[key]

    def _close_trial(self, trial: int) -> None:
        for key in [key for key in self._writers if key[0] == trial]:
            self._writers.pop(key).close()
