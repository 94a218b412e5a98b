"""Rows back to the events that they were: the inverse of ``event_rows``, for who follows a record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.errors import printable
from seatrial.observe.samples import HostSample, ProcessSample
from seatrial.record import events
from seatrial.record.tables.network_rows import network_of, node_of, system_of
from seatrial.record.tables.run_rows import mapping_of
from seatrial.record.tables.trial_rows import milestone_of, queue_of, step_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

PROCESS_COLUMNS = (
    "at_s", "role", "member", "incarnation", "name", "cpu_user_s", "cpu_system_s", "rss_bytes", "pss_bytes", "fds",
    "threads", "throttled_s", "voluntary_switches", "involuntary_switches", "cpu_wait_s",
    "cpus_allowed", "working_set_bytes",
)  # fmt: skip


def process_of(row: sqlite3.Row) -> ProcessSample:
    """Return one look at one process."""
    return ProcessSample(*(row[name] for name in PROCESS_COLUMNS))


def host_of(row: sqlite3.Row) -> HostSample:
    """Return one look at the machine."""
    return HostSample(row["at_s"], mapping_of(row["sample"]))


def trial_started(row: sqlite3.Row, of: int) -> events.TrialStarted:
    """Return the beginning of a trial; ``of`` is how many are planned."""
    return events.TrialStarted(
        trial=row["id"],
        case_id=row["case_id"],
        system=row["system"],
        repeat=row["repeat"],
        order=row["ord"],
        of=max(of, row["ord"]),
        at_s=row["started_s"],
    )


def phase_started(row: sqlite3.Row) -> events.PhaseStarted:
    """Return the beginning of a phase."""
    return events.PhaseStarted(row["trial"], row["name"], row["at_s"], row["expected_s"])


def disturbance_started(row: sqlite3.Row) -> events.DisturbanceStarted:
    """Return the beginning of what is done to a system."""
    return events.DisturbanceStarted(row["trial"], row["number"], row["words"], row["started_s"])


def step_started(row: sqlite3.Row) -> events.StepStarted:
    """Return the beginning of a step of a discoverer."""
    return events.StepStarted(row["trial"], row["step"], row["words"], row["at_s"])


def noted(row: sqlite3.Row) -> events.Noted:
    """Return an entry of the journal."""
    return events.Noted(row["author"], printable(row["text"]), row["trial"], row["at_utc"])


OF_TRIAL: Mapping[str, Callable[[sqlite3.Row], tuple[float, events.Event]]] = {
    "phases": lambda row: (row["at_s"], phase_started(row)),
    "process_samples": lambda row: (row["at_s"], events.ProcessSampled(row["trial"], process_of(row))),
    "host_samples": lambda row: (row["at_s"], events.HostSampled(row["trial"], host_of(row))),
    "network_samples": lambda row: (row["at_s"], events.NetworkSampled(row["trial"], network_of(row))),
    "node_samples": lambda row: (row["at_s"], events.NodeSampled(row["trial"], node_of(row))),
    "system_samples": lambda row: (row["at_s"], events.SystemSampled(row["trial"], system_of(row))),
    "disturbances": lambda row: (row["started_s"], disturbance_started(row)),
    "queue_samples": lambda row: (row["at_s"], events.QueueSampled(row["trial"], queue_of(row))),
    # Of what happened in one moment, first that a step is over, then that the next begins.
    "discovery_steps": lambda row: (row["at_s"], events.StepEnded(row["trial"], step_of(row))),
    "steps_begun": lambda row: (row["at_s"], step_started(row)),
    "milestones": lambda row: (row["at_s"], milestone_of(row)),
}
"""By table whose rows only come in: when what a row holds happened (CLOCK_MONOTONIC seconds), and what it was."""
