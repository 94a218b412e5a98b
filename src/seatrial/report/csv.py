"""One row for each trial, for spreadsheets. Every header has its unit; an empty cell is "not known"."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from seatrial.analysis.discovery.figures import FIGURES
from seatrial.analysis.load.answered import error_count, unanswered
from seatrial.analysis.run.environments import number_of
from seatrial.machine.cpus.pinning import ROLES
from seatrial.report.during.observed import observed_columns
from seatrial.report.table import trials_in_order

if TYPE_CHECKING:
    from seatrial.analysis.load.result import LoadResult
    from seatrial.analysis.run.model import CaseSummary, RunSummary, TrialSummary

_SCHEDULING = (
    "cpu_user_cores_mean", "cpu_system_cores_mean", "cpu_wait_cores_mean", "voluntary_switches_per_s",
    "involuntary_switches_per_s",
)  # fmt: skip
_PERCENTILES = ("min", "mean", "p50", "p75", "p90", "p99", "p999", "p9999", "max")


def results_csv(summary: RunSummary) -> str:
    """Return the text of the file; trials are in the order of execution."""
    changes = summary.environment_changes
    sane = [(cell, trial) for cell in summary.sanity for trial in cell.attempts]
    rows = [
        trial_row(case, trial, number_of(changes, trial.trial))
        for case, trial in sorted((*sane, *trials_in_order(summary)), key=lambda pair: pair[1].order)
    ]
    headers = list(dict.fromkeys(header for row in rows for header in row))
    for row in rows:
        if "rate_achieved_per_s" in row:
            row["rate_achieved_per_s"] = round(row["rate_achieved_per_s"], 3)
    text = io.StringIO()
    writer = csv.DictWriter(text, headers, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def trial_row(case: CaseSummary, trial: TrialSummary, environment: int) -> dict[str, Any]:
    """Return the figures of a trial by header; None is "not known"."""
    return {
        "case": case.case.id,
        "is_sanity": case.case.is_sanity,
        "system": case.case.system,
        **{f"variable_{name}": value for name, value in case.case.variables},
        "repeat": trial.repeat,
        "order": trial.order,
        "environment": environment,
        "state": trial.ending,
        "validity": trial.validity.state,
        "validity_reasons": "; ".join(reason.code for reason in trial.validity.reasons),
        "set_aside": trial in case.set_aside,
        "case_verdict": case.verdict.state or "",
        "beside": "; ".join(trial.facts.beside),
        **(_load(trial.load) if trial.load is not None else {}),
        **_resources(trial),
        **(
            {} if trial.discovery is None else {name: read(trial.discovery) for name, read in FIGURES.items()}
        ),
        **observed_columns(trial.observed),
    }


def _load(load: LoadResult) -> dict[str, Any]:
    return {
        "window_s": load.window_s,
        "rate_requested_per_s": load.rate_per_s.requested,
        "rate_achieved_per_s": load.rate_per_s.achieved,
        "held_requested_connections": load.connections.held.requested,
        "held_established_connections": load.connections.held.established,
        "active_requested_connections": load.connections.active.requested,
        "active_established_connections": load.connections.active.established,
        "intended_requests": load.requests.intended,
        "sent_requests": load.requests.sent,
        "completed_requests": load.requests.completed,
        "unsent_requests": load.requests.unsent,
        "timed_out_requests": load.requests.timed_out,
        "failed_requests": load.requests.failed,
        "in_flight_requests": load.requests.in_flight,
        "unanswered_requests": unanswered(load),
        "unexpected_requests": load.answers.unexpected,
        "answered_in_window_requests": load.answers.in_window,
        "errors_count": error_count(load),
        **{f"latency_us_{name}": getattr(load.latency_us, name) for name in _PERCENTILES},
        **{f"service_time_us_{name}": getattr(load.service_time_us, name) for name in ("p50", "p99", "max")},
        **{f"lateness_us_{name}": getattr(load.lateness_us, name) for name in ("p50", "p99", "max")},
    }


def _resources(trial: TrialSummary) -> dict[str, Any]:
    counts, row = trial.counts, dict[str, Any]()
    row["generator_completed_requests"] = counts.generator_completed
    row["system_requests"] = counts.system_requests
    row["system_upstream_requests"] = counts.system_upstream_requests
    row["origin_requests"] = counts.origin_requests
    for name in ("generator", "system", "controller", "origin"):
        role = trial.resources.role(name)
        row[f"{name}_cpu_cores_mean"] = None if role is None else role.cpu_cores_mean
        row[f"{name}_cpu_covers_s"] = None if role is None else role.cpu_covers_s
        row[f"{name}_memory_bytes_max"] = None if role is None else role.memory_bytes_max
        row[f"{name}_memory_measure"] = None if role is None else role.memory_measure
        row[f"{name}_open_files_max"] = None if role is None else role.fds_max
    on = {one.role: one.cpus for one in trial.cpus}
    row |= {f"{name}_cpu_list": on.get(name) for name in ROLES}
    system = trial.resources.role("system")
    scheduling = None if system is None else system.scheduling
    for measure in _SCHEDULING:
        row[f"system_{measure}"] = None if scheduling is None else getattr(scheduling, measure)
    row["system_cpu_cores_per_1000_requests_per_s"] = trial.resources.system_cpu_cores_per_1000_per_s
    row["system_memory_bytes_per_connection"] = trial.resources.system_memory_bytes_per_connection
    return {**row, **_kernel(trial)}


def _kernel(trial: TrialSummary) -> dict[str, Any]:
    kernel, looking = trial.kernel, trial.facts.looking

    def of_networks(name: str) -> float | None:
        counts = [
            network.counted[name]
            for network in (kernel.networks if kernel else ())
            if name in network.counted
        ]
        return sum(counts) if counts else None

    return {
        "system_pods_received_bytes_per_s": None
        if kernel is None
        else kernel.pods_received_bytes_per_s("system"),
        "system_pods_sent_bytes_per_s": None if kernel is None else kernel.pods_sent_bytes_per_s("system"),
        "kernel_softirq_busiest_fraction": None if kernel is None else kernel.softirq_busiest,
        "kernel_softnet_drops_count": None
        if kernel is None
        else kernel.counted.get("softnet_drops", of_networks("softnet_drops")),
        "kernel_listen_drops_count": of_networks("tcp_listen_drops"),
        "kernel_retransmitted_segments_count": of_networks("tcp_retransmitted_segments"),
        "looking_cpu_cores": None if looking is None else round(looking.cores, 6),
    }
