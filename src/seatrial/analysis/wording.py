"""Small pieces of English that several sentences need."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def plural(count: int, noun: str) -> str:
    """Return "1 case" or "2,000 cases"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(parts: Sequence[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def range_text(least: str, greatest: str) -> str:
    """Return "1.2 to 3.4", or "1.2" where both read alike."""
    return least if least == greatest else f"{least} to {greatest}"
