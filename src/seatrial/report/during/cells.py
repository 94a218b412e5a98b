"""What cells of these tables have in common."""

from __future__ import annotations

from seatrial.units import format_us

NONE = "-"
"""Of what is not known, or is none."""


def time_text(seconds: float | None) -> str:
    """Return a time as a person reads it."""
    return NONE if seconds is None else format_us(round(seconds * 1e6))
