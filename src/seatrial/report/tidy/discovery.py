"""What became of a discoverer: each step with its figures, and each look at its queue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from seatrial.analysis.discovery.use import discovery_use
from seatrial.analysis.objects import quantile
from seatrial.report.tidy.columns import Column, arrays

if TYPE_CHECKING:
    from seatrial.analysis.discovery.use import StepUse
    from seatrial.record.reader import RunReader
    from seatrial.record.tables.rows import RecordedTrial
    from seatrial.report.tidy.columns import Array

STEPS = (
    Column("number", "int"),
    Column("step", "text"),
    Column("words", "text"),
    Column("start_s", "float"),
    Column("end_s", "float"),
    Column("asked_services", "int"),
    Column("missing_services", "int"),
    Column("there_s_first", "float", optional=True),
    Column("there_s_p50", "float", optional=True),
    Column("there_s_max", "float", optional=True),
    Column("added_there_s", "float", optional=True),
    Column("recovered_s", "float", optional=True),
    Column("calls_count", "int"),
    Column("writes_count", "int"),
    Column("calls", "text"),
    Column("refused", "text"),
    Column("changed_objects", "int"),
    Column("source_calls_count", "int", optional=True),
    Column("periods", "int"),
)
QUEUE = (
    Column("at_s", "float"),
    Column("depth_items", "float", optional=True),
    Column("enqueued_items", "float", optional=True),
    Column("done_items", "float", optional=True),
    Column("dropped_items", "float", optional=True),
    Column("retries_count", "float", optional=True),
)


def steps(reader: RunReader, trial: RecordedTrial) -> dict[str, Array]:
    """Return each step that a discoverer was taken through; ``calls`` and ``refused`` are JSON, how many by what."""
    use = discovery_use(reader.steps(trial.trial), reader.milestones(trial.trial), ())
    rows = [] if use is None else [_step(number, one, trial) for number, one in enumerate(use.steps, start=1)]
    return arrays(STEPS, rows)


def queue(reader: RunReader, trial: RecordedTrial) -> dict[str, Array]:
    """Return each look at a discoverer's queue, by its own count."""
    rows = [
        {
            "at_s": look.at_s - trial.started_s,
            "depth_items": look.depth,
            "enqueued_items": look.enqueued,
            "done_items": look.done,
            "dropped_items": look.dropped,
            "retries_count": look.retries,
        }
        for look in reader.queue_samples(trial.trial)
    ]
    return arrays(QUEUE, rows)


def _step(number: int, step: StepUse, trial: RecordedTrial) -> dict[str, Any]:
    times = step.times_s
    return {
        "number": number,
        "step": step.step,
        "words": step.words,
        "start_s": step.began_s - trial.started_s,
        "end_s": step.ended_s - trial.started_s,
        "asked_services": step.asked,
        "missing_services": step.missing,
        "there_s_first": times[0] if times else None,
        "there_s_p50": quantile(times, 0.5),
        "there_s_max": times[-1] if times else None,
        "added_there_s": step.added_s,
        "recovered_s": step.recovered_s,
        "calls_count": sum(step.calls.values()),
        "writes_count": step.writes,
        "calls": json.dumps(dict(step.calls)),
        "refused": json.dumps(dict(step.refused)),
        "changed_objects": step.changed,
        "source_calls_count": step.source_calls,
        "periods": step.periods,
    }
