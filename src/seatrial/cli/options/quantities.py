"""Numbers with units on the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from seatrial.units import parse_count, parse_rate_per_s, parse_seconds, parse_size_bytes


class Quantity(click.ParamType[Any]):
    """A number with a unit, read by one of the parsers of :mod:`seatrial.units`."""

    def __init__(self, name: str, parse: Callable[[str], float], *, positive: bool = False) -> None:
        self.name = name
        self._parse = parse
        self._positive = positive

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse, or say what is allowed."""
        if not isinstance(value, str):
            return float(value)
        try:
            number = self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if self._positive and number <= 0:
            self.fail(f"{value} is not more than 0", param, ctx)
        return number


COUNT = Quantity("COUNT", parse_count)
POSITIVE_COUNT = Quantity("COUNT", parse_count, positive=True)
RATE = Quantity("RATE", parse_rate_per_s, positive=True)
SIZE = Quantity("SIZE", parse_size_bytes)
DURATION = Quantity("TIME", parse_seconds)
