"""One table: named numpy columns that are as long as each other, for pandas, Arrow and Polars, too."""

from __future__ import annotations

import html
import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.errors import EnvironmentFault
from seatrial.report.tidy.columns import Column, joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

    from seatrial.report.tidy.columns import Array

ROWS_SHOWN, WIDTH_SHOWN, CELL_SHOWN = 8, 110, 28
_PRECISION = ".6g"


class Table(Mapping[str, "Array"]):
    """A table: a mapping of column names to numpy arrays, so that ``dict(table)`` and ``pandas.DataFrame`` take it.

    Units are in the names. What is not known is NaN, None in a text, and masked (``numpy.ma``) in whole numbers. Every
    row that has figures of a trial or a case says in ``validity`` whether they may be believed: ``VALID``,
    ``INVALID``, or ``not judged`` while the trial runs.
    """

    def __init__(self, name: str, columns: Sequence[Column], blocks: Sequence[Mapping[str, Array]]) -> None:
        self.name = name
        self.columns = tuple(columns)
        self._arrays = joined(columns, blocks)

    @property
    def rows(self) -> int:
        """How many rows there are; ``len(table)`` counts the columns, as of any mapping."""
        return len(self._arrays[self.columns[0].name])

    @property
    def units(self) -> dict[str, str]:
        """The unit of each column that has one."""
        return {column.name: column.unit for column in self.columns if column.unit is not None}

    def __getitem__(self, name: str) -> Array:
        """Return a column."""
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        """Go through the names of the columns."""
        return iter(self._arrays)

    def __len__(self) -> int:
        """Return how many columns there are."""
        return len(self._arrays)

    def where(self, **values: object) -> Table:
        """Return the rows whose columns have these values: ``table.where(system="envoy", phase="measure")``."""
        kept = np.ones(self.rows, dtype=bool)
        for name, value in values.items():
            kept &= np.ma.filled(self[name] == value, fill_value=False)
        return Table(self.name, self.columns, [{name: array[kept] for name, array in self.items()}])

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield each row as a dict of plain Python values; None is "not known"."""
        for values in zip(*(plain(array) for array in self.values()), strict=True):
            yield dict(zip(self, values, strict=True))

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame``; whole numbers that are not known are ``NA`` (``Int64``)."""
        pandas = _library("pandas")
        return pandas.DataFrame({name: _for_pandas(pandas, array) for name, array in self.items()})

    def to_arrow(self) -> Any:
        """Return a ``pyarrow.Table``; the metadata of a field has its unit."""
        arrow = _library("pyarrow")
        types = {"text": arrow.string(), "time": arrow.timestamp("ms")}
        fields = []
        found = []
        for column in self.columns:
            array = self[column.name]
            is_float = column.kind == "float"
            mask = np.isnan(array) if is_float else np.ma.getmaskarray(array) if _is_masked(array) else None
            values = arrow.array(np.ma.getdata(array), type=types.get(column.kind), mask=mask)
            unit = {} if column.unit is None else {"unit": column.unit}
            fields.append(arrow.field(column.name, values.type, metadata=unit))
            found.append(values)
        return arrow.Table.from_arrays(found, schema=arrow.schema(fields))

    def to_polars(self) -> Any:
        """Return a ``polars.DataFrame``."""
        polars = _library("polars")
        types = {
            "text": polars.String,
            "int": polars.Int64,
            "float": polars.Float64,
            "bool": polars.Boolean,
            "time": polars.Datetime("ms"),
        }
        return polars.DataFrame(
            [
                polars.Series(column.name, plain(self[column.name]), dtype=types[column.kind])
                for column in self.columns
            ]
        )

    def __repr__(self) -> str:
        """Return its size, what of it may not be believed, and its first rows as far as they fit."""
        widths = self._shown()
        shown = ([*widths], *self._cells(list(widths)))
        lines = [self._heading()]
        lines += ["  ".join(map(str.ljust, cells, widths.values())) for cells in shown]
        hidden = [name for name in self if name not in widths]
        if hidden:
            lines.append(f"and {', '.join(hidden)}")
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        """Return the same for a notebook, with all columns."""

        def row(cells: Iterable[str], tag: str) -> str:
            return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"

        body = "".join(row(cells, "td") for cells in self._cells(list(self)))
        return f"<p>{html.escape(self._heading())}</p><table>{row(self, 'th')}{body}</table>"

    def _heading(self) -> str:
        size = f"{self.name}: {self.rows:,} rows, {len(self)} columns"
        return f"{size}{self._doubts()}"

    def _doubts(self) -> str:
        if "validity" not in self:
            return ""
        doubted = int(np.sum(self["validity"] == "INVALID"))
        running = int(np.sum(self["validity"] == "not judged"))
        said = [f"{doubted:,} of them are INVALID"] if doubted else []
        said += [f"{running:,} of them are of a trial that is not judged yet"] if running else []
        return (
            f"; {', '.join(said)}: see `validity`" if said else "; all of them are VALID" if self.rows else ""
        )

    def _cells(self, names: Sequence[str]) -> list[list[str]]:
        columns = [[_cell(value) for value in plain(self[name][:ROWS_SHOWN])] for name in names]
        return [list(cells) for cells in zip(*columns, strict=True)]

    def _shown(self) -> dict[str, int]:
        """Return the columns that fit beside each other, with their widths; validity is always one of them."""
        widths = {
            name: max(map(len, (name, *(cell for (cell,) in self._cells([name])))), default=0)
            for name in self
        }
        # Which run it is says the run itself.
        first = [name for name in ("validity",) if name in self]
        order = [*first, *(name for name in self if name not in {*first, "run"})]
        kept: set[str] = set()
        left = WIDTH_SHOWN
        for name in order:
            left -= widths[name] + 2
            if left < 0:
                break
            kept.add(name)
        return {name: width for name, width in widths.items() if name in kept}


def plain(array: Array) -> list[Any]:
    """Return the values as Python has them; what is not known is None."""
    values: list[Any] = array.tolist()
    if array.dtype.kind == "f":
        return [None if value != value else value for value in values]  # noqa: PLR0124 - only NaN is not itself
    return values


def _is_masked(array: Array) -> bool:
    return isinstance(array, np.ma.MaskedArray)


def _for_pandas(pandas: ModuleType, array: Array) -> Any:
    if not _is_masked(array):
        return array
    kind = "boolean" if array.dtype.kind == "b" else "Int64"
    return pandas.array(plain(array), dtype=kind)


def _cell(value: object) -> str:
    text = "" if value is None else format(value, _PRECISION) if isinstance(value, float) else str(value)
    return text if len(text) <= CELL_SHOWN else f"{text[: CELL_SHOWN - 3]}..."


def _library(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise EnvironmentFault(
            f"{name} is not installed", cause=str(error), next_step=f"pip install {name}"
        ) from None
