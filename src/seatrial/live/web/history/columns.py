"""Series of equal length that grow, and fold into fewer points without an average of percentiles.

A point of a folded series stands for several intervals: counts are added up, rates are over all of their time, of
percentiles and memory it is the greatest, of connections the fewest. So a peak is never folded away.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from math import isnan
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

Fold = Literal["first", "last", "sum", "rate", "max", "min"]
Document = dict[str, list[float | None]]

NAN = float("nan")
START, END = "start", "end"
"""Every row has these: seconds from the start of its trial."""


@dataclass(slots=True)
class Columns:
    """Columns by name; ``fold_of`` says of a name how it folds. What a row does not have is NaN."""

    fold_of: Callable[[str], Fold]
    rows: int = 0
    _columns: dict[str, array[float]] = field(default_factory=dict)

    def append(self, row: Mapping[str, float | None]) -> None:
        """Add a row; a name that is new has nothing before."""
        for name in row.keys() - self._columns.keys():
            self._columns[name] = array("d", [NAN]) * self.rows
        for name, column in self._columns.items():
            value = row.get(name)
            column.append(NAN if value is None else value)
        self.rows += 1

    def last(self, name: str) -> float:
        """Return the last value of a column."""
        return self._columns[name][-1]

    def folded(self, each: int) -> Columns:
        """Return columns in which a row stands for ``each`` rows of these, the last for what is left."""
        if each <= 1 or not self.rows:
            return self
        edges = np.arange(0, self.rows, each)
        lengths = self._values(END) - self._values(START)
        found = Columns(self.fold_of, len(edges))
        for name in self._columns:
            folded = _FOLDS[self.fold_of(name)](self._values(name), edges, lengths)
            found._columns[name] = array("d", folded.tolist())
        return found

    def document(self, first: int = 0, without: Callable[[str], bool] = lambda _: False) -> Document:
        """Return the rows from ``first`` on, unknown as None; columns of which nothing is known are left out."""
        found = {
            name: _as_json(column[first:]) for name, column in self._columns.items() if not without(name)
        }
        return {name: values for name, values in found.items() if any(value is not None for value in values)}

    def _values(self, name: str) -> Values:
        return np.array(self._columns[name], dtype=np.float64)


def rows_each(lengths: Iterable[int], limit: int) -> int:
    """Return how many rows a point has to stand for, so that series of these lengths have ``limit`` points at most.

    Series are folded apart, and each has a point at least: with more series than ``limit``, that is what comes of it.
    """
    lengths = [length for length in lengths if length]
    each = max(1, -(-sum(lengths) // limit))
    while sum(-(-length // each) for length in lengths) > limit and each < max(lengths):
        each += max(1, each // 8)
    return each


def _as_json(values: array[float]) -> list[float | None]:
    return [
        None if isnan(value) else int(value) if value.is_integer() else round(value, 4) for value in values
    ]


def _rate(values: Values, edges: NDArray[np.int64], lengths: Values) -> Values:
    known = np.where(np.isnan(values), 0.0, lengths)
    total = np.add.reduceat(np.nan_to_num(values) * known, edges)
    over = np.add.reduceat(known, edges)
    rates: Values = np.divide(total, over, out=np.full(len(edges), NAN), where=over > 0)
    return rates


def _sum(values: Values, edges: NDArray[np.int64], _lengths: Values) -> Values:
    are_known = np.add.reduceat(np.isfinite(values).astype(np.int64), edges)
    return np.where(are_known > 0, np.add.reduceat(np.nan_to_num(values), edges), NAN)


_FOLDS: Mapping[Fold, Callable[[Values, NDArray[np.int64], Values], Values]] = {
    "first": lambda values, edges, _: values[edges],
    "last": lambda values, edges, _: values[np.append(edges[1:], len(values)) - 1],
    "sum": _sum,
    "rate": _rate,
    "max": lambda values, edges, _: np.fmax.reduceat(values, edges),
    "min": lambda values, edges, _: np.fmin.reduceat(values, edges),
}
