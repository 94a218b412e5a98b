"""Numbers as pictures of one line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

STEPS = "▁▂▃▄▅▆▇█"
FULL, EMPTY = "█", "░"
PARTS = " ▏▎▍▌▋▊▉"


def sparkline(values: Sequence[float | None], width: int, *, log: bool = False) -> str:
    """Return the last ``width`` values as columns, lowest to highest from 0 or, with ``log``, from the least of them.

    A blank is a value that is not known; values that are all alike are all of half the height.
    """
    last = list(values)[-width:]
    known = [_scaled(value, log=log) for value in last if value is not None]
    if not known:
        return " " * len(last)
    low, high = (min(known) if log else min(0.0, *known)), max(known)
    return "".join(" " if value is None else _column(_scaled(value, log=log), low, high) for value in last)


def _scaled(value: float, *, log: bool) -> float:
    return math.log(max(value, 1e-9)) if log else value


def _column(value: float, low: float, high: float) -> str:
    part = 0.5 if high <= low else (value - low) / (high - low)
    return STEPS[min(len(STEPS) - 1, int(part * len(STEPS)))]


def bar(part: float, width: int) -> str:
    """Return a bar that is filled to ``part`` (0 to 1) of ``width`` characters, to an eighth of one."""
    eighths = round(max(0.0, min(1.0, part)) * width * 8)
    whole, rest = divmod(eighths, 8)
    filled = FULL * whole + (PARTS[rest] if rest else "")
    return filled + EMPTY * (width - len(filled))
