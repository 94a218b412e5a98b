"""How a trial ended, and what was done to its system, from its rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from seatrial.discovery.facts import QueueSample, StepFacts
from seatrial.generator.prober import Answers
from seatrial.machine.cpus.pinning import CpusAsked
from seatrial.observe.prometheus.series import Observed
from seatrial.observe.samples import KernelReport, LookingCost, NodeAway, ScrapedPage
from seatrial.record.events import MilestoneReached
from seatrial.record.facts import Reached, TrialCounts, TrialFacts
from seatrial.record.tables.rows import RecordedDisturbance
from seatrial.systems.running import ControllerUse, RunningConfiguration
from seatrial.systems.settings import LimitMet, Setting

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping


def counts_of(row: sqlite3.Row) -> tuple[int, TrialCounts]:
    """Return a trial's number and what each side counted of it."""
    names = ("generator_completed", "system_requests", "system_upstream_requests", "origin_requests")
    return row["trial"], TrialCounts(*(row[name] for name in names))


def facts_of(document: Mapping[str, Any]) -> TrialFacts:
    """Return what the conductor of a trial saw."""
    return TrialFacts(
        drained_before_start=document.get("drained_before_start"),
        system_failure=document.get("system_failure"),
        processes_lost=tuple(document.get("processes_lost", ())),
        missing=tuple(document.get("missing", ())),
        uncounted=tuple(document.get("uncounted", ())),
        remarks=tuple(document.get("remarks", ())),
        beside=tuple(document.get("beside", ())),
        origin_connections=document.get("origin_connections"),
        configurations=tuple(
            RunningConfiguration(**running) for running in document.get("configurations", ())
        ),
        kernel=None if (kernel := document.get("kernel")) is None else KernelReport.from_json(kernel),
        looking=None if (looking := document.get("looking")) is None else LookingCost(**looking),
        settings=tuple(Setting(**setting) for setting in document.get("settings", ())),
        limits_met=tuple(LimitMet(**met) for met in document.get("limits_met", ())),
        rejected=None
        if (not_taken := document.get("rejected")) is None
        else tuple(LimitMet(**one) for one in not_taken),
        controllers=None
        if (found := document.get("controllers")) is None
        else tuple(ControllerUse(**one) for one in found),
        cpus=_cpus_of(document.get("cpus") or {}),
        nodes_away=tuple(
            NodeAway(**{**away, "roles": tuple(away["roles"])}) for away in document.get("nodes_away", ())
        ),
        runs_beside=tuple(document.get("runs_beside", ())),
        scraped=tuple(ScrapedPage(**page) for page in document.get("scraped", ())),
        reached=None if (reached := document.get("reached")) is None else Reached(**reached),
    )


def _cpus_of(document: Mapping[str, Any]) -> CpusAsked:
    return CpusAsked(dict(document.get("by_role", {})), tuple(document.get("cores", ())))


def milestone_of(row: sqlite3.Row) -> MilestoneReached:
    """Return the milestone that a row is."""
    return MilestoneReached(
        trial=row["trial"],
        subject=row["subject"],
        change=row["change"],
        generation=row["generation"],
        milestone=row["milestone"],
        place=row["place"],
        at_s=row["at_s"],
        after_s=row["after_s"],
        over=row["over"],
        relapses=row["relapses"],
        answers=json.loads(row["answers"]),
        lost=_answers(row["lost"]),
        stale=_answers(row["stale"]),
    )


def queue_of(row: sqlite3.Row) -> QueueSample:
    """Return one look at a queue."""
    return QueueSample(
        row["at_s"], row["depth"], row["enqueued"], row["done"], row["dropped"], row["retries"]
    )


def step_of(row: sqlite3.Row) -> StepFacts:
    """Return what is known of a step of a discoverer."""
    return StepFacts.from_document(json.loads(row["document"]))


def observed_of(row: sqlite3.Row) -> Observed:
    """Return what a query to a Prometheus yielded."""
    return Observed.from_document(json.loads(row["document"]))


def _answers(document: str | None) -> Answers | None:
    return None if document is None else Answers(**json.loads(document))


def disturbance_of(row: sqlite3.Row) -> RecordedDisturbance:
    """Return one disturbance."""
    return RecordedDisturbance(row["number"], row["words"], row["started_s"], row["ended_s"], row["asked"])
