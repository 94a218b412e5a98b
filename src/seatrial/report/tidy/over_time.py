"""What a trial was like over time: its load interval by interval, its roles, processes and counters look by look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seatrial.analysis.resources import CPU_SPAN_MIN_S, roles_of
from seatrial.analysis.run.series import curve_from_start, points_of
from seatrial.analysis.run.steps import steps_of
from seatrial.analysis.run.trials import frames_of
from seatrial.report.tidy.columns import Column, arrays, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from seatrial.analysis.load.decoded import Buckets
    from seatrial.analysis.run.model import SeriesPoint
    from seatrial.analysis.run.steps import Step
    from seatrial.observe.samples import ProcessSample
    from seatrial.record.reader import RunReader
    from seatrial.record.tables.rows import RecordedTrial
    from seatrial.report.tidy.columns import Array

_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "max": 1.0}
_KINDS = {
    "latency": tuple(_QUANTILES),
    "service_time": ("p50", "p99", "max"),
    "lateness": ("p50", "p99", "max"),
}
_MILLISECONDS = 1_000

INTERVALS = (
    Column("start_utc", "time"),
    Column("start_s", "float"),
    Column("end_s", "float"),
    Column("phase", "text"),
    Column("requested_per_s", "float", optional=True),
    Column("sent_per_s", "float", optional=True),
    Column("completed_per_s", "float", optional=True),
    Column("errors", "int"),
    Column("held_connections", "int"),
    Column("active_connections", "int"),
    *(Column(f"{kind}_us_{name}", "int", optional=True) for kind, names in _KINDS.items() for name in names),
)
ROLES = (
    Column("role", "text"),
    Column("start_s", "float"),
    Column("end_s", "float"),
    Column("cpu_cores", "float"),
    Column("memory_bytes", "float"),
    Column("memory_measure", "text"),
)
RESOURCES = (
    Column("at_s", "float"),
    Column("role", "text"),
    Column("member", "text"),
    Column("process", "text"),
    Column("incarnation", "text"),
    Column("cpu_cores", "float", optional=True),
    Column("cpu_user_s", "float"),
    Column("cpu_system_s", "float"),
    Column("cpu_wait_s", "float", optional=True),
    Column("throttled_s", "float", optional=True),
    Column("rss_bytes", "int", optional=True),
    Column("pss_bytes", "int", optional=True),
    Column("working_set_bytes", "int", optional=True),
    Column("open_files", "int", optional=True),
    Column("threads", "int", optional=True),
    Column("voluntary_switches", "int", optional=True),
    Column("involuntary_switches", "int", optional=True),
    Column("cpu_list", "text", optional=True),
)
COUNTERS = (
    Column("at_s", "float"),
    Column("role", "text"),
    Column("member", "text"),
    Column("incarnation", "text"),
    Column("counter", "text"),
    Column("value", "float"),
)
MACHINE = (Column("at_s", "float"), Column("counter", "text"), Column("value", "float"))


def intervals(reader: RunReader, trial: RecordedTrial) -> dict[str, Array]:
    """Return the load of a trial by the steps that its workers reported, all workers merged, those of each phase.

    They are what the charts over time show, without putting steps together where there are many. Percentiles are of the
    merged histograms of what became known in the step.
    """
    case = reader.case(trial.case_id)
    frames, histograms = frames_of(reader, trial.trial)
    phases = reader.phases(trial.trial)
    if case is None or not frames:
        return arrays(INTERVALS, ())
    steps = steps_of(frames, phases, None)
    points = points_of(case, trial, phases, steps, histograms.merge)
    began = moment(trial.started_utc)
    rows = [
        _interval(point, step, histograms.merge, began) for point, step in zip(points, steps, strict=True)
    ]
    return {
        **arrays(INTERVALS[1:], rows),
        "start_utc": np.array([row["start_utc"] for row in rows], "datetime64[ms]"),
    }


def _interval(
    point: SeriesPoint, step: Step, merge: Callable[[Iterable[str]], Buckets], began: np.datetime64
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "start_utc": began + np.timedelta64(round(point.start_s * _MILLISECONDS), "ms"),
        "start_s": point.start_s,
        "end_s": point.end_s,
        "phase": point.phase,
        "requested_per_s": point.requested_per_s,
        "sent_per_s": point.sent_per_s,
        "completed_per_s": point.completed_per_s,
        "errors": point.errors,
        "held_connections": point.held,
        "active_connections": point.active,
    }
    for kind, names in _KINDS.items():
        merged = merge(getattr(part, kind) for frame in step.frames for part in frame.parts)
        if merged.count:
            row |= {f"{kind}_us_{name}": merged.quantile_us(_QUANTILES[name]) for name in names}
    return row


def roles(reader: RunReader, trial: RecordedTrial) -> dict[str, Array]:
    """Return the CPU of each role between looks, of all its processes together, and its memory at the later one."""
    rows = []
    for role in roles_of(reader.process_samples(trial.trial)):
        curve = curve_from_start(role.curve, trial.started_s)
        memory = dict(zip(curve.at_s, curve.memory_bytes, strict=True))
        rows += [
            {
                "role": role.name,
                "start_s": span.start_s,
                "end_s": span.end_s,
                "cpu_cores": span.cores,
                "memory_bytes": memory[span.end_s],
                "memory_measure": curve.memory_measure,
            }
            for span in curve.cpu
        ]
    return arrays(ROLES, rows)


def resources(reader: RunReader, trial: RecordedTrial) -> dict[str, Array]:
    """Return each look at each process; ``cpu_cores`` is since the look at it that was long enough before."""
    rows = []
    before: dict[object, ProcessSample] = {}
    for sample in reader.process_samples(trial.trial):
        earlier = before.setdefault(sample.key, sample)
        length_s = sample.at_s - earlier.at_s
        cores = None
        if length_s >= CPU_SPAN_MIN_S:
            used_s = sample.cpu_user_s + sample.cpu_system_s - earlier.cpu_user_s - earlier.cpu_system_s
            cores, before[sample.key] = used_s / length_s, sample
        rows.append(_look(sample, cores, trial.started_s))
    return arrays(RESOURCES, rows)


def _look(sample: ProcessSample, cores: float | None, started_s: float) -> dict[str, Any]:
    return {
        "at_s": sample.at_s - started_s,
        "role": sample.role,
        "member": sample.member,
        "process": sample.name,
        "incarnation": sample.incarnation,
        "cpu_cores": cores,
        "cpu_user_s": sample.cpu_user_s,
        "cpu_system_s": sample.cpu_system_s,
        "cpu_wait_s": sample.cpu_wait_s,
        "throttled_s": sample.throttled_s,
        "rss_bytes": sample.rss_bytes,
        "pss_bytes": sample.pss_bytes,
        "working_set_bytes": sample.working_set_bytes,
        "open_files": sample.fds,
        "threads": sample.threads,
        "voluntary_switches": sample.voluntary_switches,
        "involuntary_switches": sample.involuntary_switches,
        "cpu_list": sample.cpus_allowed,
    }


def counters(reader: RunReader, trial: RecordedTrial) -> dict[str, Array]:
    """Return each counter of each member of the system at each look, by its own names."""
    rows = [
        {
            "at_s": sample.at_s - trial.started_s,
            "role": sample.role,
            "member": sample.member,
            "incarnation": sample.incarnation,
            "counter": counter,
            "value": value,
        }
        for sample in reader.system_samples(trial.trial)
        for counter, value in sample.values.items()
    ]
    return arrays(COUNTERS, rows)


def machine(reader: RunReader, trial: RecordedTrial) -> dict[str, Array]:
    """Return what the machine's kernel counted at each look."""
    return arrays(MACHINE, list(_machine(reader, trial)))


def _machine(reader: RunReader, trial: RecordedTrial) -> Iterator[Mapping[str, Any]]:
    for sample in reader.host_samples(trial.trial):
        for counter, value in sample.values.items():
            yield {"at_s": sample.at_s - trial.started_s, "counter": counter, "value": value}
