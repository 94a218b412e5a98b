"""Every metric of a run: its kind, its unit, and what it means. ``seatrial_`` comes before each name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.live.exposition.families import Kind

NAMES: Mapping[str, tuple[Kind, str, str]] = {
    "run": ("info", "", "The run: its plan, how it stands, and the version of Seatrial."),
    "run_trials_planned": ("gauge", "", "Trials that are planned."),
    "run_trials": (
        "gauge",
        "",
        "Trials that have ended, by how; those that this run began with are among them.",
    ),
    "phase_start_timestamp_seconds": ("gauge", "seconds", "When a phase of a trial began, as Unix time."),
    "note_timestamp_seconds": (
        "gauge",
        "seconds",
        "When an entry of the journal was made, as Unix time: the last ones, by how each begins.",
    ),
    "asked_requests_per_second": ("gauge", "", "The rate that the plan asks for now, in open loop."),
    "intended_requests": ("counter", "", "Requests whose time came, by the phase of that time."),
    "requests": (
        "counter",
        "",
        "Requests by what became of them; in the end those of a phase add up to its intended.",
    ),
    "responses": ("counter", "", "Answers to requests of active connections, by status."),
    "errors": (
        "counter",
        "",
        "What went wrong, by kind: of requests, and of connections, held ones as well.",
    ),
    "bytes": ("counter", "", "Bytes of requests and answers."),
    "request_latency_seconds": (
        "histogram",
        "seconds",
        "From the intended send time to the last byte of the answer; what never came counts with its age.",
    ),
    "service_time_seconds": ("histogram", "seconds", "From the actual send to the last byte of the answer."),
    "lateness_seconds": (
        "histogram",
        "seconds",
        "The generator's own error: from when a request could leave until it left.",
    ),
    "connect_seconds": ("histogram", "seconds", "From the first SYN until a connection is established."),
    "connections": (
        "gauge",
        "",
        "Connections that are there now: active ones carry requests, held ones are idle.",
    ),
    "connections_opened": ("counter", "", "Connections that were opened."),
    "connections_reconnected": ("counter", "", "Those of them that took the place of one that had ended."),
    "held_requests": ("counter", "", "Requests that held connections sent to stay alive."),
    "requests_in_flight": ("gauge", "", "Requests that wait for their answer now."),
    "workers": ("gauge", "", "Processes that generate the load and have reported."),
    "role_cpu_seconds": (
        "counter",
        "seconds",
        "CPU time of a member of a role since it was first looked at.",
    ),
    "role_memory_bytes": (
        "gauge",
        "bytes",
        "Memory of a member of a role: PSS, or the working set of a pod.",
    ),
    "change_milestone_seconds": (
        "histogram",
        "seconds",
        "How long after a change of a route was asked for, or of a service that a discoverer carries, a milestone of "
        "it was reached.",
    ),
    "discovery_queue_depth": (
        "gauge",
        "",
        "Items that a discoverer's queue has now, by its own count.",
    ),
    "discovery_queue_enqueued": ("counter", "", "Items that a discoverer enqueued, by its own count."),
    "discovery_queue_done": ("counter", "", "Items of its queue that it did."),
    "discovery_queue_dropped": ("counter", "", "Items of its queue that it gave up."),
    "discovery_queue_retries": ("counter", "", "Times that it took an item of its queue up again."),
    "discovery_step_start_timestamp_seconds": (
        "gauge",
        "seconds",
        "When a step of a discoverer began, as Unix time.",
    ),
    "discovery_step_duration_seconds": ("gauge", "seconds", "How long a step that has ended took."),
    "discovery_step_services": (
        "gauge",
        "",
        "Services that were changed for a step that has ended, and those of them that are missing.",
    ),
    "discovery_step_api_calls": (
        "gauge",
        "",
        "Calls to the destination in a step that has ended, by verb; watches are not among them.",
    ),
    "discovery_step_writes": (
        "gauge",
        "",
        "Those calls of a step that has ended that change something, or try to.",
    ),
    "doubt_signs": (
        "gauge",
        "",
        "How often a sign was seen that the trial may not be believed, by its rule.",
    ),
    "trial_valid": (
        "gauge",
        "",
        "1 where a trial that has ended may be believed, 0 where not; absent until then.",
    ),
    "objective_met": (
        "gauge",
        "",
        "1 where an objective holds of the case so far, 0 where not; absent where doubts could change that.",
    ),
}
HISTOGRAMS: Mapping[str, str] = {
    "latency": "request_latency_seconds",
    "service_time": "service_time_seconds",
    "lateness": "lateness_seconds",
    "connect": "connect_seconds",
}
"""Under which name the samples of a frame are exposed."""
