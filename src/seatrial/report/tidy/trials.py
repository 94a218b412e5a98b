"""A row a trial: the figures of ``results.csv``, with what may be believed of them and why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.analysis.discovery.figures import FIGURES
from seatrial.analysis.run.environments import number_of
from seatrial.analysis.validity.judge import fault_of
from seatrial.machine.cpus.pinning import ROLES
from seatrial.report.csv import trial_row
from seatrial.report.tidy.columns import Column, arrays
from seatrial.report.tidy.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from seatrial.analysis.run.model import CaseSummary, RunSummary, TrialSummary
    from seatrial.record.tables.rows import RecordedTrial
    from seatrial.report.tidy.columns import Array, Kind

NOT_JUDGED = "not judged"
"""The validity of a trial that is running."""

KEYS = (
    Column("run", "text"),
    Column("trial", "int"),
    Column("case", "text"),
    Column("system", "text"),
    Column("validity", "text"),
)
"""The first columns of whatever is known trial by trial."""
WHY = (Column("validity_reasons", "text"), Column("set_aside", "bool"))
"""The last of them."""


@dataclass(frozen=True, slots=True)
class TrialKey:
    """What every row of a trial begins with; ``reasons`` are codes, joined with "; "."""

    run: str
    trial: int
    case: str
    system: str
    validity: str
    reasons: str
    set_aside: bool

    def block(self, rows: int) -> dict[str, Array]:
        """Return it as so many rows."""
        values = (self.run, self.trial, self.case, self.system, self.validity, self.reasons, self.set_aside)
        return {
            column.name: np.full(rows, value, dtype=column.array([value]).dtype)
            for column, value in zip((*KEYS, *WHY), values, strict=True)
        }


def attempts_in(summary: RunSummary) -> Iterator[tuple[CaseSummary, TrialSummary]]:
    """Yield every trial that was judged with its case, those of sanity cells and those set aside too, in order."""
    pairs = [(case, trial) for case in (*summary.sanity, *summary.cases) for trial in case.attempts]
    yield from sorted(pairs, key=lambda pair: pair[1].order)


def key_of(run: str, case: CaseSummary, trial: TrialSummary) -> TrialKey:
    """Return what the rows of a trial begin with."""
    reasons = "; ".join(reason.code for reason in trial.validity.reasons)
    aside = trial in case.set_aside
    return TrialKey(run, trial.trial, case.case.id, case.case.system, trial.validity.state, reasons, aside)


def key_of_running(run: str, trial: RecordedTrial) -> TrialKey:
    """Return what the rows of a trial begin with that nobody has judged."""
    return TrialKey(run, trial.trial, trial.case_id, trial.system, NOT_JUDGED, "", set_aside=False)


def trials_table(summary: RunSummary, running: Sequence[RecordedTrial]) -> Table:
    """Return every trial that began, in the order of execution."""
    run = summary.run.run_id
    changes = summary.environment_changes
    rows: list[Mapping[str, Any]] = [
        {
            **trial_row(case, trial, number_of(changes, trial.trial)),
            "run": run,
            "trial": trial.trial,
            "started_utc": trial.started_utc,
            "validity_direction": trial.validity.direction,
            "validity_text": "; ".join(f"{reason.code}: {reason.text}" for reason in trial.validity.reasons),
        }
        for case, trial in attempts_in(summary)
    ]
    rows += [_row_of_running(summary, trial) for trial in running]
    carried = any(trial.discovery is not None for _, trial in attempts_in(summary))
    columns = trial_columns(variables_of(summary), carried=carried)
    return Table("trials", columns, [arrays(columns, rows)])


def reasons_table(summary: RunSummary) -> Table:
    """Return why trials may not be believed: a row a reason."""
    rows = [
        {
            "run": summary.run.run_id,
            "trial": trial.trial,
            "case": case.case.id,
            "system": case.case.system,
            "code": reason.code,
            "text": reason.text,
            "remedy": reason.remedy,
            "direction": reason.direction,
            "because": reason.because,
            "fault": fault_of(reason),
        }
        for case, trial in attempts_in(summary)
        for reason in trial.validity.reasons
    ]
    columns = (*KEYS[:4], *_texts("code", "text", "remedy", "direction"), _maybe("because", "text"))
    columns = (*columns, Column("fault", "text"))
    return Table("reasons", columns, [arrays(columns, rows)])


def trial_columns(variables: Sequence[Column], *, carried: bool = False) -> tuple[Column, ...]:
    """Return the columns of trials of a plan with these variables; where services were ``carried``, of that too."""
    found = tuple(_maybe(name, "float") for name in FIGURES) if carried else ()
    return (*KEYS[:4], *variables, KEYS[4], *_ENDED, *_LOAD, *_resources(), *_KERNEL, *found, *WHY, *_JUDGED)


def variables_of(summary: RunSummary) -> tuple[Column, ...]:
    """Return a column for each variable of the plan; whole numbers where all of its values are."""
    kinds: dict[str, Kind] = {}
    for case in (*summary.cases, *summary.sanity):
        for name, value in case.case.variables:
            kinds[name] = "float" if isinstance(value, float) or kinds.get(name) == "float" else "int"
    return tuple(_maybe(f"variable_{name}", kind) for name, kind in kinds.items())


def variable_values(variables: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Return the values of a case's variables by their columns."""
    return {f"variable_{name}": value for name, value in variables}


def _row_of_running(summary: RunSummary, trial: RecordedTrial) -> Mapping[str, Any]:
    cases = {case.case.id: case for case in (*summary.cases, *summary.sanity)}
    case = cases[trial.case_id].case
    return {
        "run": summary.run.run_id,
        "trial": trial.trial,
        "case": trial.case_id,
        "system": trial.system,
        **variable_values(case.variables),
        "is_sanity": case.is_sanity,
        "repeat": trial.repeat,
        "order": trial.order,
        "environment": number_of(summary.environment_changes, trial.trial),
        "state": trial.state,
        "started_utc": trial.started_utc,
        "validity": NOT_JUDGED,
        "validity_reasons": "",
        "validity_text": "",
        "set_aside": False,
        "case_verdict": "",
        "beside": "",
    }


def _texts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "text") for name in names)


def _maybe(name: str, kind: Kind) -> Column:
    return Column(name, kind, optional=True)


_ENDED = (
    Column("case_verdict", "text"),
    Column("state", "text"),
    Column("repeat", "int"),
    Column("order", "int"),
    Column("started_utc", "time"),
)
_JUDGED = (
    _maybe("validity_direction", "text"),
    Column("validity_text", "text"),
    Column("is_sanity", "bool"),
    Column("environment", "int"),
    Column("beside", "text"),
)
_LOAD = (
    _maybe("window_s", "float"),
    _maybe("rate_requested_per_s", "float"),
    _maybe("rate_achieved_per_s", "float"),
    *(
        _maybe(f"{which}_{asked}_connections", "int")
        for which in ("held", "active")
        for asked in ("requested", "established")
    ),
    *(
        _maybe(f"{name}_requests", "int")
        for name in (
            "intended", "sent", "completed", "unsent", "timed_out", "failed", "in_flight", "unanswered", "unexpected",
            "answered_in_window",
        )
    ),
    _maybe("errors_count", "int"),
    *(
        _maybe(f"latency_us_{name}", "float" if name == "mean" else "int")
        for name in ("min", "mean", "p50", "p75", "p90", "p99", "p999", "p9999", "max")
    ),
    *(
        _maybe(f"{kind}_us_{name}", "int")
        for kind in ("service_time", "lateness")
        for name in ("p50", "p99", "max")
    ),
)  # fmt: skip
_KERNEL = (
    _maybe("system_cpu_cores_per_1000_requests_per_s", "float"),
    _maybe("system_memory_bytes_per_connection", "float"),
    _maybe("system_pods_received_bytes_per_s", "float"),
    _maybe("system_pods_sent_bytes_per_s", "float"),
    _maybe("kernel_softirq_busiest_fraction", "float"),
    _maybe("kernel_softnet_drops_count", "float"),
    _maybe("kernel_listen_drops_count", "float"),
    _maybe("kernel_retransmitted_segments_count", "float"),
    _maybe("looking_cpu_cores", "float"),
)


def _resources() -> tuple[Column, ...]:
    counted = ("generator_completed", "system", "system_upstream", "origin")
    of_role = (
        ("cpu_cores_mean", "float"), ("cpu_covers_s", "float"), ("memory_bytes_max", "int"), ("memory_measure", "text"),
        ("open_files_max", "int"),
    )  # fmt: skip
    kinds: tuple[tuple[str, Kind], ...] = of_role  # type: ignore[assignment]
    scheduling = (
        "cpu_user_cores_mean", "cpu_system_cores_mean", "cpu_wait_cores_mean", "voluntary_switches_per_s",
        "involuntary_switches_per_s",
    )  # fmt: skip
    return (
        *(_maybe(f"{name}_requests", "int") for name in counted),
        *(
            _maybe(f"{role}_{name}", kind)
            for role in ("generator", "system", "controller", "origin")
            for name, kind in kinds
        ),
        *(_maybe(f"{role}_cpu_list", "text") for role in ROLES),
        *(_maybe(f"system_{name}", "float") for name in scheduling),
    )
