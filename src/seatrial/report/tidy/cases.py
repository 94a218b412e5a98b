"""A row a case: percentiles of all its trials merged, with its verdict; and what was asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.analysis.measured import unit_of_objective
from seatrial.report.tidy.columns import Column, arrays
from seatrial.report.tidy.table import Table
from seatrial.report.tidy.trials import KEYS, WHY, variable_values, variables_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seatrial.analysis.load.distribution import Percentiles
    from seatrial.analysis.run.model import CaseSummary, RunSummary

_PERCENTILES = ("min", "mean", "p50", "p75", "p90", "p99", "p999", "p9999", "max", "count")
_OURS = ("mean", "p50", "p75", "p90", "p99", "p999", "p9999", "max")
_RUN, _, _CASE, _SYSTEM, _VALIDITY = KEYS
_REASONS, _ = WHY
_NAMED = (_RUN, _CASE, _SYSTEM)


def _percentiles(kind: str, names: tuple[str, ...]) -> tuple[Column, ...]:
    # A count of samples is no time.
    return tuple(
        Column(_percentile(kind, name), "float" if name == "mean" else "int", optional=True) for name in names
    )


def _percentile(kind: str, name: str) -> str:
    return f"{kind}_samples" if name == "count" else f"{kind}_us_{name}"


_STATE = (
    _VALIDITY,
    Column("state", "text"),
    Column("verdict", "text", optional=True),
    Column("is_upper_bound", "bool"),
)
_JUDGED = (
    _REASONS,
    Column("validity_direction", "text", optional=True),
    Column("is_sanity", "bool"),
    Column("kind", "text"),
    Column("trials", "int"),
    Column("trials_planned", "int"),
    Column("trials_set_aside", "int"),
    Column("findings", "text"),
)
_FIGURES = (
    *_percentiles("latency", _PERCENTILES),
    *_percentiles("service_time", _PERCENTILES),
    *_percentiles("latency_ours", _OURS),
    *_percentiles("service_time_ours", _OURS),
)
_SPREAD = (
    *_NAMED,
    _VALIDITY,
    Column("figure", "text"),
    Column("median", "float"),
    Column("min", "float"),
    Column("max", "float"),
    Column("variation", "float", optional=True),
    Column("trials", "int"),
    _REASONS,
)
_ASKED = (
    *_NAMED,
    _VALIDITY,
    Column("verdict", "text", optional=True),
    Column("objective", "text"),
    Column("metric", "text"),
    Column("unit", "text"),
    Column("comparison", "text"),
    Column("threshold", "float"),
    Column("held", "bool", optional=True),
    Column("value_min", "float", optional=True),
    Column("value_max", "float", optional=True),
    Column("trials", "int"),
    Column("implicit", "bool"),
    _REASONS,
)


def cases_table(summary: RunSummary) -> Table:
    """Return every case in the order of the plan, sanity cells first.

    ``state`` is the word that the reports have for it. Latencies are upper bounds where ``is_upper_bound``: they are
    doubted, and every doubt only inflates.
    """
    columns = (*_NAMED, *variables_of(summary), *_STATE, *_FIGURES, *_JUDGED)
    return Table("cases", columns, [arrays(columns, list(_cases(summary)))])


def spreads_table(summary: RunSummary) -> Table:
    """Return how far the trials of a case lie apart: a row a figure, whose name says its unit."""
    rows = [
        {
            **_key(summary, case),
            "figure": name if "_" in name else f"latency_us_{name}",
            "median": spread.median,
            "min": spread.min,
            "max": spread.max,
            "variation": spread.variation,
            "trials": spread.repeats,
        }
        for case in (*summary.sanity, *summary.cases)
        for name, spread in case.spreads.items()
    ]
    return Table("spreads", _SPREAD, [arrays(_SPREAD, rows)])


def objectives_table(summary: RunSummary) -> Table:
    """Return what was asked of each case and whether it held; values and threshold are in ``unit``."""
    rows = [
        {
            **_key(summary, case),
            "verdict": case.verdict.state,
            "objective": outcome.objective.text,
            "metric": outcome.objective.metric,
            "unit": unit_of_objective(outcome.objective),
            "comparison": outcome.objective.comparison,
            "threshold": outcome.objective.threshold,
            "held": outcome.held,
            "value_min": min(known, default=None),
            "value_max": max(known, default=None),
            "trials": len(outcome.values),
            "implicit": outcome.implicit,
        }
        for case in (*summary.sanity, *summary.cases)
        for outcome in case.verdict.outcomes
        for known in [[value for value in outcome.values if value is not None]]
    ]
    return Table("objectives", _ASKED, [arrays(_ASKED, rows)])


def _cases(summary: RunSummary) -> Iterator[Mapping[str, Any]]:
    for case in (*summary.sanity, *summary.cases):
        yield {
            **_key(summary, case),
            **variable_values(case.case.variables),
            "validity_direction": case.validity.direction,
            "state": case.state,
            "verdict": case.verdict.state,
            "is_upper_bound": case.at_most,
            "is_sanity": case.case.is_sanity,
            "kind": case.case.kind,
            "trials": len(case.trials),
            "trials_planned": case.repeats,
            "trials_set_aside": len(case.set_aside),
            "findings": "; ".join(case.findings),
            **_values("latency", case.latency_us, _PERCENTILES),
            **_values("service_time", case.service_time_us, _PERCENTILES),
            **_values("latency_ours", case.latency_ours_us, _OURS),
            **_values("service_time_ours", case.service_time_ours_us, _OURS),
        }


def _key(summary: RunSummary, case: CaseSummary) -> dict[str, Any]:
    return {
        "run": summary.run.run_id,
        "case": case.case.id,
        "system": case.case.system,
        "validity": case.validity.state,
        "validity_reasons": "; ".join(reason.code for reason in case.validity.reasons),
    }


def _values(kind: str, found: Percentiles | None, names: tuple[str, ...]) -> dict[str, Any]:
    return {} if found is None else {_percentile(kind, name): getattr(found, name) for name in names}
