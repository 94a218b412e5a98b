"""``seatrial.results/1``: everything that the reports show, for programs. Units are in the names.

It is made and written a trial at a time: of thousands of trials the documents together would take gigabytes. What is a
dataclass stays one until it is written, for pydantic's encoder reads its fields itself, many times as fast as Python.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from seatrial.analysis.cpus import cpus_text
from seatrial.analysis.measured import unit_of_objective
from seatrial.analysis.observed.figures import over_trials
from seatrial.analysis.run.said.sentences import set_aside_text
from seatrial.analysis.validity.judge import fault_of
from seatrial.report.during.controllers import controller_documents
from seatrial.report.during.discovery import discovery_document
from seatrial.report.during.disturbances import disturbance_documents
from seatrial.report.during.objects import change_documents
from seatrial.report.during.observed import observed_documents
from seatrial.report.during.scraped import scraped_documents

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed import DataclassInstance

    from seatrial.analysis.cpus import RoleCpus
    from seatrial.analysis.reasons import Validity
    from seatrial.analysis.resources import RoleResources
    from seatrial.analysis.run.model import CaseSummary, Growth, RunSummary, SeriesPoint, TrialSummary
    from seatrial.analysis.run.objectives import Verdict

SCHEMA = "seatrial.results/1"
INDENT = 2


def results_json(summary: RunSummary) -> Iterator[bytes]:
    """Yield the document as JSON in UTF-8, indented, in pieces of a trial's size."""
    yield from _written(lazy_document(summary), b"\n")
    yield b"\n"


def results_document(summary: RunSummary) -> dict[str, Any]:
    """Return the document as ``json.loads`` gives it."""
    document: dict[str, Any] = json.loads(b"".join(results_json(summary)))
    return document


def _written(value: Any, line: bytes) -> Iterator[bytes]:
    """Yield a value's JSON; ``line`` begins its lines but the first. An iterator is a list made item by item."""
    inner = line + b" " * INDENT
    if isinstance(value, Iterator):
        yield from _between(b"[]", (_written(item, inner) for item in value), line)
    elif isinstance(value, dict) and any(isinstance(one, Iterator) for one in value.values()):
        yield from _between(b"{}", (_entry(name, one, inner) for name, one in value.items()), line)
    else:
        yield _plain(value, line)


def _between(brackets: bytes, items: Iterable[Iterable[bytes]], line: bytes) -> Iterator[bytes]:
    inner, before = line + b" " * INDENT, brackets[:1]
    for item in items:
        yield before + inner
        yield from item
        before = b","
    yield brackets if before == brackets[:1] else line + brackets[1:]


def _entry(name: str, value: Any, line: bytes) -> Iterator[bytes]:
    yield _plain(name, line) + b": "
    yield from _written(value, line)


def _plain(value: Any, line: bytes) -> bytes:
    from pydantic_core import PydanticSerializationError, to_json

    try:
        # What is not a number is written as Python's own encoder does.
        text = to_json(value, indent=INDENT, inf_nan_mode="constants")
    except (PydanticSerializationError, UnicodeEncodeError):
        # Half a character, as a name of a file may hold, is nothing that UTF-8 can; Python's writes it as an escape.
        text = json.dumps(value, indent=INDENT, default=_fields).encode()
    # Within texts JSON has no line breaks, so all there are begin a line.
    return text.replace(b"\n", line)


def lazy_document(summary: RunSummary) -> dict[str, Any]:
    """Return the document with dataclasses in it, and with an iterator where a list is long."""
    run = summary.run
    return {
        "schema": SCHEMA,
        "run": {
            "id": run.run_id,
            "name": run.name,
            "question": summary.question,
            "state": run.state,
            "started_utc": run.started_utc,
            "ended_utc": run.ended_utc,
            "trials_planned": run.trials,
            "trials_begun": summary.trials,
            "trials_set_aside": summary.set_aside,
            "set_aside_unevenly": summary.uneven,
            "seatrial_version": run.version,
            "exit_code": int(summary.exit_code),
        },
        "findings": list(summary.findings),
        "answers": list(summary.answers),
        "growth": [_growth(growth) for growth in summary.growth],
        "scrape_costs": scraped_documents(summary),
        "systems": list(summary.systems),
        "objectives": [
            {**_fields(objective), "unit": unit_of_objective(objective)} for objective in summary.objectives
        ],
        "sanity": (
            {**_case(cell), "outcome": cell.sanity_outcome, "text": sentence}
            for cell, sentence in zip(summary.sanity, summary.sanity_sentences, strict=True)
        ),
        "cases": (_case(case) for case in summary.cases),
        "environment": dict(summary.environment),
        "environment_changes": [
            {"first_trial": change.first_trial, "differences": list(change.differences)}
            for change in summary.environment_changes
        ],
        "network": [capacity.document() for capacity in summary.capacities],
        "cpus": list(summary.isolation),
        "journal": list(summary.journal),
        "changes": list(summary.changes),
    }


def _case(case: CaseSummary) -> dict[str, Any]:
    return {
        "id": case.case.id,
        "system": case.case.system,
        "kind": case.case.kind,
        "variables": dict(case.case.variables),
        "state": case.state,
        "findings": list(case.findings),
        "validity": _validity(case.validity),
        "verdict": _verdict(case.verdict),
        "latency_us": case.latency_us,
        "service_time_us": case.service_time_us,
        "latency_ours_us": case.latency_ours_us,
        "service_time_ours_us": case.service_time_ours_us,
        "at_most": case.at_most,
        "spared": [{"at_s": at_s, "done": words} for at_s, words in case.case.spared],
        "spread_over_repeats": {_with_unit(name): spread for name, spread in case.spreads.items()},
        "observed_over_repeats": list(over_trials([trial.observed for trial in case.trials])),
        "spectrum": [
            {"quantile": round(1 - 1 / inverse, 9), "latency_us": us} for inverse, us in case.spectrum
        ],
        "attempts": {
            "made": len(case.attempts),
            "set_aside": len(case.set_aside),
            "text": set_aside_text([case]),
        },
        "trials": ({**_trial(trial), "set_aside": trial in case.set_aside} for trial in case.attempts),
    }


def _growth(growth: Growth) -> dict[str, Any]:
    fit = growth.fit
    return {
        "system": growth.system,
        "figure": growth.figure,
        "unit": growth.unit,
        "intercept": fit.intercept,
        "slopes": dict(fit.slopes),
        "trials": fit.trials,
        "lack_of_fit_p": fit.lack_of_fit_p,
        "straight_to": growth.straight_to,
        "text": growth.sentence,
    }


def _trial(trial: TrialSummary) -> dict[str, Any]:
    return {
        "trial": trial.trial,
        "repeat": trial.repeat,
        "order": trial.order,
        "state": trial.ending,
        "started_utc": trial.started_utc,
        "validity": _validity(trial.validity),
        "remarks": list(trial.remarks),
        "beside": list(trial.facts.beside),
        "load": None
        if trial.load is None
        else {**trial.load.document(), "validity": _validity(trial.validity)},
        "counts": trial.counts,
        "reached": trial.facts.reached,
        "not_counted": list(trial.facts.missing),
        "settings": [
            {**_fields(setting), "is_as_asked": setting.is_as_asked} for setting in trial.facts.settings
        ],
        "limits_met": list(trial.facts.limits_met),
        "rejected": None if trial.facts.rejected is None else list(trial.facts.rejected),
        "controllers": controller_documents(trial.controllers),
        "members": list(trial.members),
        "disturbances": disturbance_documents(trial.disturbed),
        "changes": change_documents(trial.changes),
        "discovery": discovery_document(trial.discovery),
        "observed": observed_documents(trial.observed),
        "resources": {
            "roles": {role.role: _role(role) for role in trial.resources.roles},
            "members": {name: _role(member) for name, member in trial.resources.members.items()},
            "system_cpu_cores_per_1000_per_s": trial.resources.system_cpu_cores_per_1000_per_s,
            "system_memory_bytes_per_connection": trial.resources.system_memory_bytes_per_connection,
        },
        **_seen(trial),
        "phases": [
            {"name": phase.name, "start_s": phase.start_s, "end_s": phase.end_s} for phase in trial.phases
        ],
        "series": _series(trial),
    }


def _seen(trial: TrialSummary) -> dict[str, Any]:
    facts, looking = trial.facts, trial.facts.looking
    return {
        "kernel": trial.kernel,
        "nodes": list(trial.nodes),
        "kernel_log": facts.kernel,
        "configurations": list(facts.configurations),
        "cpus": {
            "text": cpus_text(trial.cpus, facts.cpus),
            "asked": dict(facts.cpus.by_role),
            "found": {one.role: _without_role(one) for one in trial.cpus},
        },
        "looking": None if looking is None else {**_fields(looking), "cores": round(looking.cores, 6)},
        "scraped": list(facts.scraped),
    }


def _series(trial: TrialSummary) -> dict[str, Any]:
    # What the charts over time show, so that they can be drawn again by somebody else.
    series = trial.series.read()
    roles = {
        curve.role: {
            "memory_measure": curve.memory_measure,
            "memory": [
                {"at_s": at_s, "bytes": memory}
                for at_s, memory in zip(curve.at_s, curve.memory_bytes, strict=True)
            ],
            "cpu": list(curve.cpu),
        }
        for curve in series.roles
    }
    steps = [_step(point) for point in series.points]
    return {"steps": steps, "roles": roles, "discovery": series.discovery}


def _step(point: SeriesPoint) -> dict[str, Any]:
    names = ("start_s", "end_s", "phase", "requested_per_s", "sent_per_s", "completed_per_s")
    latency = {name: getattr(point, f"latency_us_{name}") for name in ("p50", "p99", "max")}
    gauges = {name: getattr(point, name) for name in ("errors", "held", "active")}
    return {**{name: getattr(point, name) for name in names}, "latency_us": latency, **gauges}


def _role(role: RoleResources) -> dict[str, Any]:
    return {**_without_role(role), "memory_measure": role.memory_measure}


def _without_role(found: RoleResources | RoleCpus) -> dict[str, Any]:
    return {name: value for name, value in _fields(found).items() if name != "role"}


def _fields(value: DataclassInstance) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _validity(validity: Validity) -> dict[str, Any]:
    reasons = [{**_fields(reason), "fault": fault_of(reason)} for reason in validity.reasons]
    return {"state": validity.state, "direction": validity.direction, "reasons": reasons}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    outcomes = [
        {
            "objective": outcome.objective.text,
            "held": outcome.held,
            "unit": unit_of_objective(outcome.objective),
            "values": list(outcome.values),
            "implicit": outcome.implicit,
            "samples_needed": outcome.samples_needed,
        }
        for outcome in verdict.outcomes
    ]
    return {"state": verdict.state, "objectives": outcomes}


def _with_unit(name: str) -> str:
    # Percentiles have bare names inside ``latency_us``; here nothing around them says the unit.
    return name if "_" in name else f"latency_us_{name}"
