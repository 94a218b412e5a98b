"""What a column of a table holds, and numpy's array of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]

Kind = Literal["text", "int", "float", "bool", "time"]
"""``text`` is an array of Python's strings, ``time`` one of ``datetime64[ms]`` in UTC."""

_TYPES: Mapping[Kind, type] = {"int": np.int64, "float": np.float64, "bool": np.bool_}
_UNITS = (
    (re.compile(r"(^|_)us(_|$)"), "us"),
    (re.compile(r"_cores_per_1000_(requests_)?per_s$"), "cores per 1,000 requests/s"),
    (re.compile(r"_bytes_per_connection$"), "bytes per connection"),
    (re.compile(r"_bytes_per_s$"), "bytes/s"),
    (re.compile(r"_switches_per_s$"), "switches/s"),
    (re.compile(r"_items_per_s$"), "items/s"),
    (re.compile(r"_per_s$"), "requests/s"),
    (re.compile(r"_cores(_|$)"), "cores"),
    (re.compile(r"(^|_)bytes(_|$)"), "bytes"),
    (re.compile(r"_fraction$"), "fraction"),
    (re.compile(r"_requests$"), "requests"),
    (re.compile(r"_connections$"), "connections"),
    (re.compile(r"_services$"), "services"),
    (re.compile(r"_items$"), "items"),
    (re.compile(r"_objects$"), "objects"),
    (re.compile(r"_utc$"), "UTC"),
    (re.compile(r"_s(_(first|p50|max))?$"), "s"),
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column; what is ``optional`` may be unknown: NaN, None in a text, masked in a whole number or a bool."""

    name: str
    kind: Kind
    optional: bool = False

    @property
    def unit(self) -> str | None:
        """The unit that its name ends with, or has in it; None where it has none, or counts something."""
        return unit_in(self.name)

    def array(self, values: Sequence[Any]) -> Array:
        """Return the values as an array; raise ``TypeError`` for one that is unknown and may not be."""
        unknown = [value is None for value in values]
        if any(unknown) and not self.optional:
            raise TypeError(f"{self.name} is always known, and here it is not")
        if self.kind == "text":
            found = np.empty(len(values), dtype=object)
            found[:] = values
            return found
        if self.kind == "time":
            return np.array([moment(value) for value in values], dtype="datetime64[ms]")
        if self.kind == "float":
            return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        filled: Array = np.array([value or 0 for value in values], dtype=_TYPES[self.kind])
        return np.ma.MaskedArray(filled, mask=unknown) if self.optional else filled


def arrays(columns: Iterable[Column], rows: Sequence[Mapping[str, Any]]) -> dict[str, Array]:
    """Return the columns of rows; what a row does not have is unknown."""
    return {column.name: column.array([row.get(column.name) for row in rows]) for column in columns}


def joined(columns: Iterable[Column], blocks: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Return blocks of rows one below the other."""
    if not blocks:
        return arrays(columns, ())
    return {column.name: _below_each_other([block[column.name] for block in blocks]) for column in columns}


def _below_each_other(parts: Sequence[Array]) -> Array:
    # `numpy.concatenate` drops masks.
    whole = np.concatenate([np.ma.getdata(part) for part in parts])
    if not isinstance(parts[0], np.ma.MaskedArray):
        return whole
    return np.ma.MaskedArray(whole, mask=np.concatenate([np.ma.getmaskarray(part) for part in parts]))


def unit_in(name: str) -> str | None:
    """Return the unit that the name of a column says; None where it says none."""
    return next((unit for pattern, unit in _UNITS if pattern.search(name)), None)


def moment(text: str | None) -> np.datetime64:
    """Return a time of day of the record in milliseconds."""
    # numpy takes no offsets; all times of a record are UTC.
    return np.datetime64("NaT" if text is None else datetime.fromisoformat(text).replace(tzinfo=None), "ms")
