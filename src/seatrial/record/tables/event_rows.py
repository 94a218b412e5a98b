"""Each event as the rows that it becomes."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from functools import singledispatch
from typing import TYPE_CHECKING, Any

from seatrial.errors import printable
from seatrial.record import events
from seatrial.record.tables.frame_rows import sample_json, split_frame
from seatrial.record.tables.network_rows import network_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from _typeshed import DataclassInstance

Row = tuple[str, tuple[Any, ...]]


def case_rows(compiled: Mapping[str, Any]) -> Iterator[Row]:
    """Yield a row for each case and sanity cell of a compiled plan, with what the plan says of every case filled in."""
    kinds = {system["label"]: system["kind"] for system in compiled["plan"]["systems"]}
    cells = [{**cell, "is_sanity": True} for cell in compiled.get("sanity", ())]
    for position, case in enumerate((*compiled["cases"], *cells)):
        kind = kinds[case["system"]]
        document = {"phases": compiled["plan"]["phases"], **case, "kind": kind}
        values = (case["id"], position, case["system"], kind, json.dumps(document))
        yield "INSERT INTO cases VALUES (?, ?, ?, ?, ?)", values


def rows_of(event: events.Event, frame_id: int, now_utc: str) -> Iterator[Row]:
    """Yield statements with their values; ``frame_id`` is the id for the frame, if the event is one."""
    if isinstance(event, events.FrameRecorded):
        yield from _frame_rows(event, frame_id)
    elif isinstance(event, events.TrialEnded):
        yield from _trial_end_rows(event)
    else:
        yield _row(event, now_utc)


def _json(value: DataclassInstance) -> str:
    return json.dumps(asdict(value))


def _frame_rows(event: events.FrameRecorded, frame_id: int) -> Iterator[Row]:
    frame = event.frame
    counters, histograms = split_frame(frame)
    values = (frame_id, event.trial, frame.worker, frame.seq, frame.start_ns, frame.end_ns, counters)
    yield "INSERT INTO frames VALUES (?, ?, ?, ?, ?, ?, ?)", values
    for phase, kind, encoded in histograms:
        yield (
            "INSERT INTO frame_histograms (frame, phase, kind, data) VALUES (?, ?, ?, ?)",
            (frame_id, phase, kind, base64.b64decode(encoded)),
        )


def _trial_end_rows(event: events.TrialEnded) -> Iterator[Row]:
    facts = json.dumps(asdict(event.facts))
    reasons = json.dumps([dict(reason) for reason in event.reasons])
    statement = "UPDATE trials SET state = ?, failure = ?, ended_s = ?, facts = ?, reasons = ? WHERE id = ?"
    yield statement, (event.state, event.failure, event.at_s, facts, reasons, event.trial)
    counts = event.counts
    yield (
        "INSERT OR REPLACE INTO counts VALUES (?, ?, ?, ?, ?)",
        (
            event.trial,
            counts.generator_completed,
            counts.system_requests,
            counts.system_upstream_requests,
            counts.origin_requests,
        ),
    )


@singledispatch
def _row(event: object, _: str) -> Row:
    raise TypeError(f"{type(event).__name__} is not an event of the record")


@_row.register
def _(event: events.RunStarted, _: str) -> Row:
    return "UPDATE run SET trials = ?", (event.trials,)


@_row.register
def _(event: events.RunEnded, now_utc: str) -> Row:
    return "UPDATE run SET state = ?, ended_utc = ?", (event.state, now_utc)


@_row.register
def _(event: events.TrialStarted, now_utc: str) -> Row:
    columns = "id, case_id, system, repeat, ord, started_s, started_utc"
    statement = f"INSERT INTO trials ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)"
    return statement, (
        event.trial,
        event.case_id,
        event.system,
        event.repeat,
        event.order,
        event.at_s,
        now_utc,
    )


@_row.register
def _(event: events.PhaseStarted, _: str) -> Row:
    statement = "INSERT INTO phases (trial, name, at_s, expected_s) VALUES (?, ?, ?, ?)"
    return statement, (event.trial, event.phase, event.at_s, event.expected_s)


@_row.register
def _(event: events.LoadStarted, _: str) -> Row:
    statement = "INSERT INTO loads (trial, asked, hellos) VALUES (?, ?, ?)"
    return statement, (event.trial, _json(event.asked), json.dumps([asdict(hello) for hello in event.hellos]))


@_row.register
def _(event: events.LoadEnded, _: str) -> Row:
    statement = "UPDATE loads SET driven = ?, cost = ? WHERE trial = ?"
    return statement, (_json(event.driven), _json(event.cost), event.trial)


@_row.register
def _(event: events.ProcessSampled, _: str) -> Row:
    statement = (
        "INSERT INTO process_samples (trial, at_s, role, member, incarnation, name, cpu_user_s, cpu_system_s,"
        " rss_bytes, pss_bytes, fds, threads, throttled_s, voluntary_switches, involuntary_switches, cpu_wait_s,"
        f" cpus_allowed, working_set_bytes) VALUES ({', '.join('?' * 18)})"
    )
    sample = event.sample
    values = (sample.at_s, *sample.key, sample.name, sample.cpu_user_s, sample.cpu_system_s)
    sizes = (sample.rss_bytes, sample.pss_bytes, sample.fds, sample.threads, sample.throttled_s)
    scheduling = (sample.voluntary_switches, sample.involuntary_switches, sample.cpu_wait_s)
    last = (sample.cpus_allowed, sample.working_set_bytes)
    return statement, (event.trial, *values, *sizes, *scheduling, *last)


@_row.register
def _(event: events.HostSampled, _: str) -> Row:
    statement = "INSERT INTO host_samples (trial, at_s, sample) VALUES (?, ?, ?)"
    return statement, (event.trial, event.sample.at_s, sample_json(event.sample.values))


@_row.register
def _(event: events.NetworkSampled, _: str) -> Row:
    statement = "INSERT INTO network_samples (trial, at_s, network, sample) VALUES (?, ?, ?, ?)"
    sample = event.sample
    return statement, (event.trial, sample.at_s, sample.network, network_json(sample))


@_row.register
def _(event: events.NodeSampled, _: str) -> Row:
    columns = "trial, at_s, node, roles, cpu_s, memory_working_set_bytes, cores"
    statement = f"INSERT INTO node_samples ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)"
    sample = event.sample
    used = (sample.cpu_s, sample.memory_working_set_bytes, sample.cores)
    return statement, (event.trial, sample.at_s, sample.node, ",".join(sample.roles), *used)


@_row.register
def _(event: events.SystemSampled, _: str) -> Row:
    columns = "trial, at_s, system, member, incarnation, sample, role"
    statement = f"INSERT INTO system_samples ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)"
    sample = event.sample
    whose = (sample.system, sample.member, sample.incarnation)
    return statement, (event.trial, sample.at_s, *whose, sample_json(sample.values), sample.role)


@_row.register
def _(event: events.DisturbanceStarted, _: str) -> Row:
    statement = "INSERT INTO disturbances (trial, number, words, started_s) VALUES (?, ?, ?, ?)"
    return statement, (event.trial, event.number, event.words, event.at_s)


@_row.register
def _(event: events.DisturbanceEnded, _: str) -> Row:
    statement = "UPDATE disturbances SET ended_s = ?, asked = ? WHERE trial = ? AND number = ?"
    return statement, (event.at_s, event.asked, event.trial, event.number)


@_row.register
def _(event: events.MilestoneReached, _: str) -> Row:
    columns = "trial, subject, change, generation, milestone, place, at_s, after_s, over, relapses"
    values = ", ".join("?" * 13)
    statement = f"INSERT INTO milestones ({columns}, answers, lost, stale) VALUES ({values})"
    what = (event.subject, event.change, event.generation, event.milestone, event.place)
    seen = (event.at_s, event.after_s, event.over, event.relapses)
    answers = json.dumps(event.answers, separators=(",", ":"))
    some = (None if one is None else _json(one) for one in (event.lost, event.stale))
    return statement, (event.trial, *what, *seen, answers, *some)


@_row.register
def _(event: events.QueueSampled, _: str) -> Row:
    columns = "trial, at_s, depth, enqueued, done, dropped, retries"
    sample = event.sample
    values = (sample.at_s, sample.depth, sample.enqueued, sample.done, sample.dropped, sample.retries)
    return f"INSERT INTO queue_samples ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", (event.trial, *values)


@_row.register
def _(event: events.StepStarted, _: str) -> Row:
    statement = "INSERT INTO steps_begun (trial, at_s, step, words) VALUES (?, ?, ?, ?)"
    return statement, (event.trial, event.at_s, event.step, event.words)


@_row.register
def _(event: events.StepEnded, _: str) -> Row:
    statement = "INSERT INTO discovery_steps (trial, at_s, document) VALUES (?, ?, ?)"
    return statement, (event.trial, event.facts.ended_s, json.dumps(event.facts.document()))


@_row.register
def _(event: events.QueryObserved, _: str) -> Row:
    statement = "INSERT INTO observed (trial, name, document) VALUES (?, ?, ?)"
    return statement, (event.trial, event.observed.name, _json(event.observed))


@_row.register
def _(event: events.CapacityMeasured, now_utc: str) -> Row:
    statement = "INSERT INTO capacities (first_trial, at_utc, document) VALUES (?, ?, ?)"
    return statement, (event.first_trial, now_utc, json.dumps(event.capacity.document()))


@_row.register
def _(event: events.Noted, now_utc: str) -> Row:
    statement = "INSERT INTO journal (at_utc, author, trial, text) VALUES (?, ?, ?, ?)"
    return statement, (now_utc, event.author, event.trial, printable(event.text))
