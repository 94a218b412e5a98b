"""A bar: a figure, what it is held to, and whether it is met. Every benchmark ends with its bars."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Bar:
    """A measured figure beside its limit; ``unit`` stands behind both."""

    what: str
    figure: float
    sense: Literal["at most", "at least"]
    limit: float
    unit: str = ""
    digits: int = 2

    @property
    def is_met(self) -> bool:
        """Whether the figure keeps to the limit; one that was not measured does not."""
        return self.figure <= self.limit if self.sense == "at most" else self.figure >= self.limit

    def line(self) -> str:
        """Return the bar as a line of text."""
        word = "met" if self.is_met else "MISSED"
        figure, limit = f"{self.figure:,.{self.digits}f}{self.unit}", f"{self.limit:g}{self.unit}"
        return f"{word:7} {self.what}: {figure} ({self.sense} {limit})"


def print_bars(*bars: Bar) -> None:
    """Print one line for each bar."""
    print("\n" + "\n".join(bar.line() for bar in bars))


def spread(values: Sequence[float], form: str = ".1f") -> str:
    """Return the median with the least and the greatest."""
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"
