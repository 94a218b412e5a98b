"""The load: what was asked of it, what came of it, and whether it may be believed."""

from __future__ import annotations

from seatrial.report.dashboards.panels import Dashboard, Panel, Query, Row
from seatrial.report.dashboards.promql import (
    MOMENTS,
    OF_TRIAL,
    QUANTILES,
    TRIALS,
    WINDOW,
    per_second,
    quantile,
    total,
)

_CASE = "system, case"
_NAMED = "{{system}} {{case}}"
_LATENCY = "seatrial_request_latency_seconds"
_CONNECT = f"seatrial_connect_seconds_bucket{{{OF_TRIAL}}}"
_MEASURED = f'{OF_TRIAL},phase="measure"'


def _by(label: str, name: str, more: str = "") -> Query:
    series = f"{name}{{{OF_TRIAL}{more}}}"
    return Query(per_second(series, f"{_CASE}, {label}"), f"{_NAMED} {{{{{label}}}}}")


_VALIDITY = Row(
    "May it be believed?",
    (
        Panel(
            "Trials",
            "short",
            "Trials that are planned, and those that have ended, by how. Cut off or failed trials have no verdict.",
            (
                Query(total('seatrial_run_trials_planned{run=~"$run"}', "run"), "{{run}} planned"),
                Query(total('seatrial_run_trials{run=~"$run"}', "run, state"), "{{run}} {{state}}"),
            ),
            kind="stat",
            width=8,
        ),
        Panel(
            "Validity of each trial",
            "short",
            "Whether a trial that has ended may be believed; the report has the reasons. No figure of an INVALID "
            "trial counts.",
            (
                Query(
                    f"max by ({_CASE}, trial) (seatrial_trial_valid{{{OF_TRIAL}}})",
                    f"{_NAMED} trial {{{{trial}}}}",
                ),
            ),
            kind="state-timeline",
            width=8,
            states={"0": ("INVALID", "red"), "1": ("VALID", "green")},
        ),
        Panel(
            "Objectives",
            "short",
            "Whether an objective of the plan holds of its case so far. Nothing is shown where doubts could change "
            "the answer.",
            (
                Query(
                    f"min by ({_CASE}, objective) (seatrial_objective_met{{{OF_TRIAL}}})",
                    f"{_NAMED} {{{{objective}}}}",
                ),
            ),
            kind="state-timeline",
            width=8,
            states={"0": ("not met", "red"), "1": ("met", "green")},
        ),
        Panel(
            "Signs of doubt",
            "short",
            "How often a sign was seen that a trial may not be believed, by the rule that it is of. Any is worth a "
            "look.",
            (
                Query(
                    f"max by ({_CASE}, trial, code) (seatrial_doubt_signs{{{OF_TRIAL}}})",
                    f"{_NAMED} {{{{code}}}}",
                ),
            ),
        ),
        Panel(
            "Lateness of the generator, p99",
            "s",
            "How late requests left by the generator's own fault. Where it comes near the latency, that is not the "
            "system's.",
            (Query(quantile(0.99, f"seatrial_lateness_seconds_bucket{{{OF_TRIAL}}}", _CASE), _NAMED),),
        ),
    ),
)
_RATE = Row(
    "Rate",
    (
        Panel(
            "Asked and achieved rate",
            "reqps",
            "What the plan asks for now, and the answers that came. Achieved below asked: the system, or the "
            "generator, is behind.",
            (
                Query(
                    f"max by ({_CASE}, trial) (seatrial_asked_requests_per_second{{{OF_TRIAL}}})",
                    f"{_NAMED} trial {{{{trial}}}} asked",
                ),
                Query(
                    per_second(
                        f'seatrial_requests_total{{{OF_TRIAL},outcome="completed"}}', f"{_CASE}, trial"
                    ),
                    f"{_NAMED} trial {{{{trial}}}} achieved",
                ),
            ),
        ),
        Panel(
            "Requests without an answer",
            "reqps",
            "Requests that failed, timed out, or never left because no connection was free. Anything above 0 is bad.",
            (_by("outcome", "seatrial_requests_total", ',outcome=~"failed|timed_out|unsent"'),),
        ),
        Panel(
            "Answers by status",
            "reqps",
            "Answers to requests of active connections. Other than the expected status, they are errors of the system.",
            (_by("status", "seatrial_responses_total"),),
            is_stacked=True,
        ),
        Panel(
            "Errors by kind",
            "cps",
            "What went wrong, of requests and of connections, held ones too. Empty is good.",
            (_by("kind", "seatrial_errors_total"),),
        ),
        Panel(
            "Bytes of requests and answers",
            "Bps",
            "What the load sends and receives. Near what the network carries, it is the network that is measured.",
            (_by("direction", "seatrial_bytes_total"),),
        ),
        Panel(
            "Requests in flight",
            "short",
            "Requests that wait for their answer now. A line that climbs is a system that does not keep up.",
            (Query(total(f"seatrial_requests_in_flight{{{OF_TRIAL}}}", _CASE), _NAMED),),
        ),
    ),
)
_TIME = Row(
    "Latency",
    (
        Panel(
            "Latency from native histograms",
            "s",
            "From the intended send time to the last byte, over the window; each quantile is within 1.1 %. Needs a "
            "Prometheus that scrapes native histograms: else see the panel beside.",
            tuple(
                Query(
                    f"histogram_quantile({share}, {per_second(f'{_LATENCY}{{{OF_TRIAL}}}', _CASE)})",
                    f"{_NAMED} {name}",
                )
                for share, name in QUANTILES
            ),
        ),
        Panel(
            "Latency from classic histograms",
            "s",
            "The same from buckets that are a half wider each time: a quantile is somewhere in its bucket. Never an "
            "average of quantiles.",
            tuple(
                Query(quantile(share, f"{_LATENCY}_bucket{{{OF_TRIAL}}}", _CASE), f"{_NAMED} {name}")
                for share, name in QUANTILES
            ),
        ),
        Panel(
            "Latency of the measure phase so far",
            "s",
            "Of all requests of a trial's measure phase until now: what its objectives are about. It settles; one "
            "that drifts is of a system that was not warm, or wears out.",
            tuple(
                Query(
                    f"histogram_quantile({share}, {total(f'{_LATENCY}_bucket{{{_MEASURED}}}', f'{_CASE}, trial, le')})",
                    f"{_NAMED} trial {{{{trial}}}} {name}",
                )
                for share, name in QUANTILES
            ),
        ),
        Panel(
            "Latency and service time, p99",
            "s",
            "Service time runs from the actual send. Latency far above it: requests wait before they can leave, for "
            "the system has no connection free.",
            (
                Query(quantile(0.99, f"{_LATENCY}_bucket{{{OF_TRIAL}}}", _CASE), f"{_NAMED} latency"),
                Query(
                    quantile(0.99, f"seatrial_service_time_seconds_bucket{{{OF_TRIAL}}}", _CASE),
                    f"{_NAMED} service time",
                ),
            ),
        ),
    ),
)
_CONNECTIONS = Row(
    "Connections",
    (
        Panel(
            "Connections",
            "short",
            "Active ones carry requests, held ones are idle. Held ones that become fewer were closed by the system.",
            (
                Query(
                    total(f"seatrial_connections{{{OF_TRIAL}}}", f"{_CASE}, state"), f"{_NAMED} {{{{state}}}}"
                ),
            ),
        ),
        Panel(
            "Connections opened",
            "cps",
            "Connections opened, and those of them that took the place of one that had ended. The second is 0 where "
            "all is well.",
            (
                Query(
                    per_second(f"seatrial_connections_opened_total{{{OF_TRIAL}}}", _CASE), f"{_NAMED} opened"
                ),
                Query(
                    per_second(f"seatrial_connections_reconnected_total{{{OF_TRIAL}}}", _CASE),
                    f"{_NAMED} again",
                ),
            ),
        ),
        Panel(
            "Time to connect, p99",
            "s",
            "From the first SYN until a connection is established, so far. About 1 s or 3 s: SYNs were lost, as by "
            "a listen queue that is full.",
            (
                Query(
                    f"histogram_quantile(0.99, {total(_CONNECT, f'{_CASE}, le')})",
                    _NAMED,
                ),
            ),
        ),
        Panel(
            "Requests of held connections",
            "reqps",
            "What held connections send to stay alive; a plan has to ask for it.",
            (Query(per_second(f"seatrial_held_requests_total{{{OF_TRIAL}}}", _CASE), _NAMED),),
        ),
    ),
)
_ROLES = Row(
    "Who uses what",
    (
        Panel(
            "CPU by role and member",
            "short",
            "Cores that each member of a role uses. A worker near 1 is a generator that is the bottleneck.",
            (
                Query(
                    f"sum by (system, role, member) (rate(seatrial_role_cpu_seconds_total{{{OF_TRIAL}}}{WINDOW}))",
                    "{{system}} {{role}} {{member}}",
                ),
            ),
        ),
        Panel(
            "Memory by role and member",
            "bytes",
            "PSS of processes, the working set of pods. A line that climbs through the measure phase is a leak, or "
            "a queue.",
            (
                Query(
                    total(f"seatrial_role_memory_bytes{{{OF_TRIAL}}}", "system, role, member"),
                    "{{system}} {{role}} {{member}}",
                ),
            ),
        ),
        Panel(
            "Workers",
            "short",
            "Processes that generate the load and have reported. Fewer than before: one was lost, and the trial is "
            "INVALID.",
            (Query(total(f"seatrial_workers{{{OF_TRIAL}}}", _CASE), _NAMED),),
        ),
        Panel(
            "Since each phase began",
            "s",
            "How long ago each phase of the trials began. One that has no measure phase did not get through its ramp.",
            (
                Query(
                    f"time() - max by ({_CASE}, trial, phase) (seatrial_phase_start_timestamp_seconds{{{OF_TRIAL}}})",
                    f"{_NAMED} trial {{{{trial}}}} {{{{phase}}}}",
                ),
            ),
        ),
    ),
)
LOAD = Dashboard(
    "load",
    "load",
    "What a run asks of its systems and what comes of it, from what `seatrial run --metrics` exposes.",
    TRIALS,
    MOMENTS,
    (_VALIDITY, _RATE, _TIME, _CONNECTIONS, _ROLES),
)
