"""What a Prometheus was asked about a trial, and answered: series of points, and how they came about."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Value: TypeAlias = float | str
"""A number; ``NaN``, ``+Inf`` or ``-Inf``, as Prometheus writes them, is a text."""

SERIES_LIMIT = 100
"""Of one query; more are counted, and nobody reads them."""


@dataclass(frozen=True, slots=True)
class ObservedSeries:
    """One series: its labels, and its points (Unix time by the clock of Prometheus, value) in order of time."""

    labels: tuple[tuple[str, str], ...]
    points: tuple[tuple[float, Value], ...]

    @property
    def label_text(self) -> str:
        """The labels as PromQL has them; empty without any."""
        return ", ".join(f'{name}="{value}"' for name, value in self.labels)

    def at(self, moments: frozenset[float]) -> ObservedSeries:
        """Return its points at these moments alone."""
        return ObservedSeries(self.labels, tuple(point for point in self.points if point[0] in moments))


@dataclass(frozen=True, slots=True)
class Observed:
    """What one query yielded over the measure phase of one trial.

    ``query`` is as it was asked, filled in. ``start_s`` to ``end_s`` is the phase, Unix times by the clock of
    Prometheus, which was ``clock_ahead_s`` ahead of this machine's, known to within ``clock_error_s``. It was evaluated
    every ``step_s`` from ``start_s`` + step (or up to a step later) to ``end_s``: ``moments`` times. ``interval_text``
    says which scrape interval the server reported, and of what. ``left_out`` series are not among ``series``.
    ``problem`` is why nothing was asked, or not answered.
    """

    name: str
    query: str
    unit: str
    start_s: float
    end_s: float
    step_s: float
    moments: int
    interval_text: str
    clock_ahead_s: float
    clock_error_s: float
    series: tuple[ObservedSeries, ...] = ()
    left_out: int = 0
    warnings: tuple[str, ...] = ()
    problem: str | None = None

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Observed:
        """Return what ``dataclasses.asdict`` gave, read from JSON."""
        series = tuple(
            ObservedSeries(
                tuple((name, value) for name, value in one["labels"]),
                tuple((at_s, value) for at_s, value in one["points"]),
            )
            for one in document["series"]
        )
        return cls(**{**document, "series": series, "warnings": tuple(document["warnings"])})


def is_result(data: object) -> bool:
    """Return whether an answer to a query has the shape that the API promises, so that it may be read without looking.

    Of a scalar it is a pair, of a vector a value for each series, of a matrix values.
    """
    if not isinstance(data, dict) or not isinstance(result := data.get("result"), list):
        return False
    match data.get("resultType"):
        case "scalar":
            return _is_point(result)
        case "vector":
            # A native histogram has none.
            return all(_is_series(one) and _is_point(one.get("value", (0, "0"))) for one in result)
        case "matrix":
            return all(_is_series(one) and all(map(_is_point, one.get("values", ()))) for one in result)
    return data.get("resultType") == "string"


def _is_series(one: object) -> bool:
    return isinstance(one, dict) and isinstance(one.get("metric", {}), dict)


def _is_point(point: object) -> bool:
    if not isinstance(point, list | tuple) or len(point) != 2 or isinstance(point[0], str):
        return False
    try:
        float(point[0]), float(point[1])
    except (TypeError, ValueError):
        return False
    return True


def series_of(data: Mapping[str, Any]) -> tuple[tuple[ObservedSeries, ...], int]:
    """Return the series of an answer, ordered by their labels, and how many more there are."""
    found = [_series(one) for one in data.get("result", ())]
    found.sort(key=lambda one: one.labels)
    return tuple(found[:SERIES_LIMIT]), max(0, len(found) - SERIES_LIMIT)


def _series(one: Mapping[str, Any]) -> ObservedSeries:
    labels = tuple(sorted((str(name), str(value)) for name, value in one.get("metric", {}).items()))
    # Native histograms come apart from `values`: a query has to make numbers of them.
    points = tuple((float(at_s), _value(text)) for at_s, text in one.get("values", ()))
    return ObservedSeries(labels, points)


def _value(text: str) -> Value:
    value = float(text)
    return value if math.isfinite(value) else text


def numbers(points: Iterable[tuple[float, Value]]) -> list[float]:
    """Return the values that are numbers."""
    return [value for _, value in points if not isinstance(value, str)]
