"""Annotations for numbers with a unit: text in YAML, a plain number in the models, a range in both.

``Annotated[float, Quantity(DURATION, low, high)]`` reads ``"30 s"`` from a plan file, where a bare ``30`` is
refused, and takes ``30.0`` from Python code. The validation context ``FROM_YAML`` marks a plan file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic_core import core_schema

from seatrial import units

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Number: TypeAlias = int | float

FROM_YAML = {"from_yaml": True}


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """One way of writing numbers: how its text is read, printed, and recognised by a JSON Schema."""

    name: str
    parse: Callable[[Any], Number]
    show: Callable[[Any], str]
    pattern: str
    bare: Mapping[str, Any]


_NUMBER = r"[0-9]+(\.[0-9]+)?\s*"
_ZERO = {"const": 0}
DURATION = Unit(
    "duration",
    units.parse_duration_s,
    units.format_duration,
    rf"^\s*({_NUMBER}(ns|us|µs|ms|s|m|min|h)\s*)+$",
    _ZERO,
)
SIZE = Unit(
    "size", units.parse_size_bytes, units.format_size, rf"^\s*{_NUMBER}(B|kB|KB|MB|GB|KiB|MiB|GiB)\s*$", _ZERO
)
RATE = Unit(
    "rate",
    units.parse_rate_per_s,
    units.format_rate,
    rf"^\s*{_NUMBER}[kKM]?(/s|/min|/h)?\s*$",
    {"type": "number"},
)
COUNT = Unit("count", units.parse_count, units.format_count, rf"^\s*{_NUMBER}[kKM]?\s*$", {"type": "integer"})


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of one unit between ``low`` and ``high``, both allowed, and 0 too where that is ``or_zero``."""

    unit: Unit
    low: float
    high: float
    or_zero: bool = False

    def read(self, value: object) -> Number:
        """Return the number that a plan file's value means; raises ValueError saying what is allowed."""
        return self.checked(self.unit.parse(value))

    def checked(self, number: Number) -> Number:
        """Return ``number`` if it is in range; raises ValueError with the range in the words of a plan."""
        if isinstance(number, float) and self.unit in (COUNT, SIZE):
            number = units.parse_count(number)
        is_allowed = self.low <= number <= self.high or (self.or_zero and number == 0)
        if not (math.isfinite(number) and is_allowed):
            raise ValueError(f"{self._shown(number)} is out of range: {self.range_text()}")
        return number

    def range_text(self) -> str:
        """Print the range the way that a plan file has its numbers."""
        span = f"{self.unit.show(self._typed(self.low))} to {self.unit.show(self._typed(self.high))}"
        return f"0, or {span}" if self.or_zero else span

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the YAML form; ``x-range`` is for people."""
        forms = [{"type": "string", "pattern": self.unit.pattern}, dict(self.unit.bare)]
        return {"anyOf": forms, "x-unit": self.unit.name, "x-range": self.range_text()}

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(self, _schema: object, _handler: object) -> dict[str, Any]:
        return self.json_schema()

    def _validate(self, value: object, info: core_schema.ValidationInfo) -> Number:
        if info.context == FROM_YAML:
            return self.read(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"`{value}` is not a number")  # noqa: TRY004 (pydantic collects ValueError only)
        return self.checked(value)

    def _shown(self, number: Number) -> str:
        whole = self._typed(number) if math.isfinite(number) else number
        return f"`{self.unit.show(whole) if math.isfinite(number) and number >= 0 else number}`"

    def _typed(self, number: Number) -> Number:
        return int(number) if self.unit in (COUNT, SIZE) else number
