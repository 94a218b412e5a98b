"""Discovery: how soon services are replicated, and what Seatrial's, Gimbal's and Kubernetes' discoverers say of it."""

from __future__ import annotations

from seatrial.report.dashboards.discoverers import GIMBAL, GO, MIRRORING, SEATRIAL
from seatrial.report.dashboards.go import runtime
from seatrial.report.dashboards.panels import Annotation, Column, Dashboard, Panel, Query, Row
from seatrial.report.dashboards.promql import (
    MOMENTS,
    OF_TRIAL,
    TRIALS,
    per_second,
    total,
)

_TRIAL = "system, case, trial"
_NAMED = "{{system}} {{case}} trial {{trial}}"
_MILESTONES = "seatrial_change_milestone_seconds"
_REPLICATED = f'{_MILESTONES}_bucket{{{OF_TRIAL},milestone="replicated"}}'
_STEP = "system, case, trial, number, step"

STEPS = Annotation(
    "Steps",
    f"seatrial_discovery_step_start_timestamp_seconds{{{OF_TRIAL}}} * 1000",
    "{{step}} {{words}}",
    "{{system}}, case {{case}}, trial {{trial}}",
    "purple",
)


def _step(metric: str, labels: str = "") -> Query:
    return Query(f"sum by ({_STEP}) (seatrial_discovery_step_{metric}{{{OF_TRIAL}{labels}}})")


def _counted(name: str, words: str) -> Query:
    return Query(
        per_second(f"seatrial_discovery_queue_{name}_total{{{OF_TRIAL}}}", _TRIAL), f"{_NAMED} {words}"
    )


_CARRIED = Row(
    "What was carried, as Seatrial sees it",
    (
        Panel(
            "Time until a service is there, p50 and p99",
            "s",
            "From when the source had a change until the destination had it, by step; all of the trial so far. Of what "
            "was there at first it is from the discoverer's start.",
            tuple(
                Query(
                    f"histogram_quantile({share}, {total(_REPLICATED, f'{_TRIAL}, change, le')})",
                    f"{_NAMED} {{{{change}}}} {name}",
                )
                for share, name in ((0.5, "p50"), (0.99, "p99"))
            ),
        ),
        Panel(
            "Changes at the source and at the destination",
            "short",
            "How many services were changed at the source in the trial so far, and how many of those changes are "
            "there. Two lines that stay apart: something is missing.",
            (
                Query(
                    total(
                        f'{_MILESTONES}_count{{{OF_TRIAL},milestone=~"asked|replicated"}}',
                        f"{_TRIAL}, milestone",
                    ),
                    f"{_NAMED} {{{{milestone}}}}",
                ),
            ),
        ),
        Panel(
            "Depth of the queue",
            "short",
            "Items that the discoverer has not done, by its own count at Seatrial's looks. One that does not come back "
            "to zero: work comes faster than it is done, or comes back.",
            (
                Query(
                    f"max by ({_TRIAL}) (seatrial_discovery_queue_depth{{{OF_TRIAL}}})",
                    _NAMED,
                ),
            ),
        ),
        Panel(
            "Items of the queue",
            "ops",
            "Items that were enqueued, done, dropped and tried again. Enqueued while nothing changes: it finds "
            "differences where there are none. Dropped is work that was given up.",
            (
                _counted("enqueued", "enqueued"),
                _counted("done", "done"),
                _counted("dropped", "dropped"),
                _counted("retries", "retries"),
            ),
        ),
        Panel(
            "Steps",
            "short",
            "Each step that has ended: how long it took, the services that were changed for it, those that are "
            "missing, calls to the destination and writes among them. Any that are missing are bad, and so are writes "
            "in the step idle.",
            (
                _step("duration_seconds"),
                _step("services", ',state="asked"'),
                _step("services", ',state="missing"'),
                _step("api_calls"),
                _step("writes"),
            ),
            kind="table",
            width=24,
            columns=(
                Column("took", "s"),
                Column("services", "short"),
                Column("missing", "short"),
                Column("calls", "short"),
                Column("writes", "short"),
            ),
        ),
    ),
)
DISCOVERY = Dashboard(
    "discovery",
    "discovery",
    "How soon a discoverer carries services of a source of truth into a cluster, by Seatrial's own looks, what its "
    "queue does meanwhile, and what Seatrial's discoverer, Gimbal's and kube-controller-manager say of themselves.",
    TRIALS,
    (*MOMENTS, STEPS),
    (_CARRIED, SEATRIAL, GIMBAL, MIRRORING, runtime(GO, "{{job}} {{instance}}")),
)
