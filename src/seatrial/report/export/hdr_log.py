"""The histograms of a run as V2 histogram logs, all workers merged: a file for each trial and kind.

The record's own ``histograms/*.hlog`` have a line for each worker; here an interval is one line, as plotters want it,
and lateness is there, too. Values are microseconds; a line's tag is its phase.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from seatrial._version import __version__
from seatrial.analysis.load.window import NANOSECONDS
from seatrial.analysis.run.steps import steps_of
from seatrial.analysis.run.trials import frames_of
from seatrial.record.histograms.log import HistogramLogWriter, LogLine, seconds_between
from seatrial.record.layout import file_safe
from seatrial.report.export.files import draft_of, make_directory
from seatrial.report.tidy.histogram import KINDS, PHASES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from seatrial.analysis.load.decoded import Decoded
    from seatrial.analysis.run.steps import Step
    from seatrial.record.tables.rows import RecordedTrial
    from seatrial.report.tidy.run import Run


def export_hdr_log(run: Run, directory: Path) -> Iterator[Path]:
    """Write the logs of each trial and yield them; raise ``EnvironmentFault`` where one cannot be written."""
    make_directory(directory)
    with run.reader() as reader:
        for trial in reader.trials():
            frames, histograms = frames_of(reader, trial.trial)
            steps = steps_of(frames, reader.phases(trial.trial), None)
            name = f"{trial.trial:03d}-{file_safe(trial.case_id)}-r{trial.repeat}"
            for kind in KINDS:
                path = directory / f"{name}.{kind}.hlog"
                with draft_of(path) as draft:
                    _write(draft, trial, _lines(steps, trial, kind, histograms))
                yield path


def _write(path: Path, trial: RecordedTrial, lines: Iterator[LogLine]) -> None:
    start_epoch_s = datetime.fromisoformat(trial.started_utc).timestamp()
    writer = HistogramLogWriter(path, start_epoch_s=start_epoch_s, version=__version__)
    for line in lines:
        writer.append(line)
    writer.close()


def _lines(steps: Sequence[Step], trial: RecordedTrial, kind: str, histograms: Decoded) -> Iterator[LogLine]:
    for step in steps:
        start_s, end_s = step.start_ns / NANOSECONDS, step.end_ns / NANOSECONDS
        for phase in PHASES:
            parts = [part for frame in step.frames for part in frame.parts if part.phase == phase]
            merged = histograms.merge(getattr(part, kind) for part in parts)
            if merged.count:
                since_s, length_s = seconds_between(trial.started_s, start_s), seconds_between(start_s, end_s)
                yield LogLine(phase, since_s, length_s, merged.encode())
