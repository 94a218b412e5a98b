"""Loads as they might have been, made from one that was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from seatrial.analysis.load.result import LoadResult
from seatrial.analysis.load.summarise import with_findings


def changed(load: LoadResult, **changes: Any) -> LoadResult:
    """Return the load with other values at some places: ``requests__completed`` is ``load.requests.completed``."""
    for place, value in changes.items():
        load = _replaced(load, place.split("__"), value)
    return with_findings(load)


def _replaced(of: Any, place: list[str], value: Any) -> Any:
    name, *further = place
    return replace(of, **{name: _replaced(getattr(of, name), further, value) if further else value})
