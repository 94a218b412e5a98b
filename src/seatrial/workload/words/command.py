"""Options of a load -> the ``seatrial load`` command that has them: what a shell is given to drive the same load."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from seatrial.units import format_count, format_duration, format_rate, parse_rate_per_s, parse_seconds

if TYPE_CHECKING:
    from seatrial.workload.words.options import LoadOptions

_SHORT = {"rate": "-R", "connections": "-c", "duration": "-d", "workers": "-t", "header": "-H"}
_RATES = frozenset({"rate", "connect_rate"})
_TIMES = frozenset(
    {"duration", "stable_for", "warmup", "timeout", "resolution", "lifetime", "interval"}
)  # fmt: skip


def load_command(options: LoadOptions) -> str:
    """Return the command, for a shell; an option that has the command's own default is left out."""
    return shlex.join(["seatrial", "load", options.url, *_flags(options)])


def _flags(options: LoadOptions) -> Iterator[str]:
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if field.name == "url" or value == field.default or value is None:
            continue
        flag = _SHORT.get(field.name, f"--{field.name.replace('_', '-')}")
        if value is True:
            yield flag
        else:
            for words in _words(field.name, value):
                if words != field.default:
                    yield from (flag, words)


def _words(name: str, value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case int() | float():
            yield _number(name, value)
        case Sequence() if name == "expect_status":
            yield ",".join(map(str, value))
        case Sequence():
            yield from map(str, value)


def _number(name: str, value: float) -> str:
    """Print a number as people do, where that is the number exactly; else with all its digits, and no unit."""
    if name == "body":
        return f"{int(value)}B"
    if name in _RATES:
        shown = format_rate(value).removesuffix("/s")
        return shown if parse_rate_per_s(shown) == value else repr(value)
    if name in _TIMES:
        # Without a space no shell needs quotes.
        shown = format_duration(value).replace(" ", "")
        return shown if parse_seconds(shown) == value else repr(value)
    return format_count(int(value))
