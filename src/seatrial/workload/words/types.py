"""What an argument of ``seatrial.load()`` may be; anything else is a ``PlanError`` with its name and what is allowed.

The annotations of the options are the one list of what each may be. A command line gives nothing else; a script may.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from seatrial.errors import PlanError

SHOWN_CHARACTERS = 60
"""More of a wrong value would hide what is said of it."""

_WORDS = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "a text",
    bytes: "bytes",
    Path: "a path",
    NoneType: "None",
}


def require_types(options: Any) -> None:
    """Refuse the first field of a dataclass that is nothing its annotation allows; raises ``PlanError``."""
    hints = _hints(options.__class__)
    for field in dataclasses.fields(options):
        given, hint = getattr(options, field.name), hints[field.name]
        if not _fits(given, hint):
            raise PlanError(
                f"{field.name} cannot be {shown(given)} ({type(given).__name__})",
                next_step=f"give {allowed(hint)}",
            )


@cache
def _hints(of: type[object]) -> dict[str, Any]:
    # Reading them takes a millisecond, and a plan has up to a thousand cases.
    return get_type_hints(of)


def shown(given: object) -> str:
    """Print a value that may be anything, in one short line."""
    try:
        text = repr(given)
    except Exception:  # noqa: BLE001 - not even what it is called is sure: an int of 5,000 digits cannot be printed
        text = "a value that cannot be printed"
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def allowed(hint: Any) -> str:
    """Name what an annotation allows: ``a number, a text or None``."""
    kinds = list(dict.fromkeys(_kinds(hint)))
    return " or ".join(part for part in (", ".join(kinds[:-1]), kinds[-1]) if part)


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,)


def _kinds(hint: Any) -> list[str]:
    kinds: list[str] = []
    for one in _alternatives(hint):
        origin = get_origin(one)
        if origin is Literal:
            kinds += [repr(word) for word in get_args(one)]
        elif origin is Sequence:
            kinds.append("several " + ("texts" if get_args(one) == (str,) else "whole numbers"))
        elif origin is Mapping:
            kinds.append("a mapping of texts to texts")
        else:
            kinds.append(_WORDS[one])
    # A float's annotation takes whole numbers, too.
    return [kind for kind in kinds if kind != "a whole number" or "a number" not in kinds]


def _fits(given: object, hint: Any) -> bool:
    return any(_is(given, one) for one in _alternatives(hint))


def _is(given: object, hint: Any) -> bool:
    origin = get_origin(hint)
    if origin is Literal:
        return isinstance(given, str) and given in get_args(hint)
    if origin is Sequence:
        (item,) = get_args(hint)
        return (
            isinstance(given, Sequence)
            and not isinstance(given, str | bytes | bytearray)
            and all(_is(one, item) for one in given)
        )
    if origin is Mapping:
        key, value = get_args(hint)
        return isinstance(given, Mapping) and all(_is(k, key) and _is(v, value) for k, v in given.items())
    # True is a whole number to Python, and to nobody else.
    if isinstance(given, bool):
        return hint is bool
    kinds: dict[Any, Any] = {int: Integral, float: Real, Path: os.PathLike}
    return isinstance(given, kinds.get(hint, hint))
