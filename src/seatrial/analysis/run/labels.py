"""What cases go by: the kind of their system, and the values of a plan's variables as a person would write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.plan.model.variables import VARIABLES
from seatrial.schema.quantities import DURATION, RATE, SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable

UNPROXIED = "direct"
"""The kind of system that is no proxy: others are compared with it, and what is asked of a proxy does not apply."""

_ENDINGS = {RATE.name: "/s", SIZE.name: " B", DURATION.name: " s"}


def variables_text(variables: Iterable[tuple[str, float]]) -> str:
    """Return ``connections=100k rate=2k/s``, or "single case" where nothing varies."""
    return " ".join(f"{name}={value_text(name, value)}" for name, value in variables) or "single case"


def value_text(name: str, value: float) -> str:
    """Return one value with its unit: short where that is the value exactly, else with all of its digits."""
    unit = next((kind.quantity.unit for variable, kind in VARIABLES.items() if variable == name), None)
    if unit is None:
        return _all_digits(value)
    short = unit.show(value)
    is_short = unit.parse(short) == value and not short.startswith(str(int(value)))
    return short if is_short else f"{_all_digits(value)}{_ENDINGS.get(unit.name, '')}"


def _all_digits(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else repr(float(value))
