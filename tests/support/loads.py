"""Loads as they might have been, made from one that was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from seatrial.analysis.load.result import LoadResult
from seatrial.analysis.load.summarise import with_findings


def with_values(of: Any, **values: Any) -> Any:
    """Return a frozen value with others at some places: ``requests__completed`` is ``of.requests.completed``."""
    for place, value in values.items():
        of = _replaced(of, place.split("__"), value)
    return of


def changed(load: LoadResult, **changes: Any) -> LoadResult:
    """Return the load with other values, and what follows from them."""
    return with_findings(with_values(load, **changes))


def _replaced(of: Any, place: list[str], value: Any) -> Any:
    name, *further = place
    return replace(of, **{name: _replaced(getattr(of, name), further, value) if further else value})
