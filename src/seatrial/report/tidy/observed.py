"""What a Prometheus saw of the measure phase of a trial, by the queries of the plan."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seatrial.analysis.observed.figures import figures_of
from seatrial.report.tidy.columns import Column, arrays

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.observe.prometheus.series import Observed
    from seatrial.record.reader import RunReader
    from seatrial.record.tables.rows import RecordedTrial
    from seatrial.report.tidy.columns import Array

OBSERVED = (
    Column("query", "text"),
    Column("labels", "text", optional=True),
    Column("unit", "text"),
    *(Column(name, "float", optional=True) for name in ("mean", "min", "max", "first", "last")),
    Column("points", "int"),
    Column("moments", "int"),
    Column("problem", "text", optional=True),
)


def observed(reader: RunReader, trial: RecordedTrial) -> dict[str, Array]:
    """Return the figures of each series, in ``unit``; a query without any has one row, whose ``labels`` are None.

    ``points`` are those that are numbers, of as many as there were ``moments``; ``problem`` is why nothing was
    answered.
    """
    return arrays(OBSERVED, [row for one in reader.observed(trial.trial) for row in _rows(one)])


def _rows(one: Observed) -> Iterator[dict[str, Any]]:
    head = {"query": one.name, "unit": one.unit, "moments": one.moments, "problem": one.problem}
    for series in one.series:
        figures = asdict(figures_of(series))
        yield {**head, "labels": series.label_text, **figures, "points": figures["count"]}
    if not one.series:
        yield {**head, "points": 0}
