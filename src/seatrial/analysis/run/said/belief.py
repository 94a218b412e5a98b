"""How far figures may be believed, and the mark that stands beside one."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from seatrial.analysis.run.model import CaseSummary

Figure = TypeVar("Figure")


class Belief(IntEnum):
    """The better, the greater."""

    NONE = 0
    AT_MOST = 1
    FULL = 2

    def mark(self, text: str, note: str = "", bound: str = "at most") -> str:
        """Return a figure with its mark: the bound before it, or INVALID behind it, with a note on what it is of."""
        bounded = f"{bound} {text}" if self is Belief.AT_MOST else text
        notes = ", ".join(one for one in ("INVALID" if self is Belief.NONE else "", note) if one)
        return f"{bounded} ({notes})" if notes else bounded


def belief_of(case: CaseSummary) -> Belief:
    """Return how far the figures of a case may be believed."""
    if not case.validity.reasons:
        return Belief.FULL
    return Belief.AT_MOST if case.at_most else Belief.NONE


def best(figures: Sequence[Figure], belief: Callable[[Figure], Belief]) -> tuple[list[Figure], Belief]:
    """Return those figures that may be believed most, and how far that is."""
    highest = max((belief(figure) for figure in figures), default=Belief.FULL)
    return [figure for figure in figures if belief(figure) is highest], highest
