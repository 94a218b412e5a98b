"""What a dashboard is made of, whatever the tool that shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["timeseries", "stat", "state-timeline", "table", "xychart"]


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and what its series are called: ``{{label}}`` stands for a label's value."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """What one query of a table or an XY chart yields, in rows: its name, and its unit in Grafana's words."""

    name: str
    unit: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: ``description`` is what it shows, and what is bad; ``unit`` is one of Grafana's.

    A table has a column for each query, an XY chart the first query along and the second up. ``states`` are texts and
    colours of values. ``width`` is of 24.
    """

    title: str
    unit: str
    description: str
    queries: tuple[Query, ...]
    kind: Kind = "timeseries"
    width: int = 12
    is_stacked: bool = False
    columns: tuple[Column, ...] = ()
    states: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice above the dashboard: of the values that a ``label`` has in ``series``, several or all."""

    name: str
    series: str
    label: str = ""

    @property
    def query(self) -> str:
        """What Grafana asks for its values."""
        return f"label_values({self.series}, {self.label or self.name})"


@dataclass(frozen=True, slots=True)
class Annotation:
    """Moments in every chart: the values of ``expr`` are Unix times in milliseconds."""

    name: str
    expr: str
    title: str
    text: str
    colour: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard; ``name`` is that of its file, and its identity in Grafana."""

    name: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    annotations: tuple[Annotation, ...]
    rows: tuple[Row, ...]
