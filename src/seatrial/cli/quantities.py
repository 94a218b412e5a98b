"""Numbers with units on the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

from seatrial.units import parse_count, parse_duration_s, parse_rate_per_s, parse_size_bytes


class Quantity(click.ParamType[Any]):
    """A number with a unit, read by one of the parsers of :mod:`seatrial.units`."""

    def __init__(self, name: str, parse: Callable[[str], float]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse, or say what is allowed."""
        if not isinstance(value, str):
            return float(value)
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _duration_s(text: str) -> float:
    # wrk2 takes seconds where there is no unit.
    return float(text) if re.fullmatch(r"\d+", text) else parse_duration_s(text)


COUNT = Quantity("COUNT", parse_count)
RATE = Quantity("RATE", parse_rate_per_s)
SIZE = Quantity("SIZE", parse_size_bytes)
DURATION = Quantity("TIME", _duration_s)
