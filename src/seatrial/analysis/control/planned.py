"""Changes that a plan asks for and that were never made: the measure phase was over before their turn came."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from seatrial.analysis.objects import ChangeUse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


SLOW_PART = 0.9
"""Of the rate that was asked for: below, it is named."""


def with_unmade(changes: Sequence[ChangeUse], planned: Mapping[str, int]) -> tuple[ChangeUse, ...]:
    """Return them as an objective has to see them: what was never made was never live.

    ``planned`` is how often each kind of change was to be made.
    """
    made = {use.change for use in changes}
    nothing = (_nothing(change) for change in planned if change not in made)
    return tuple(_with(use, planned.get(use.change, use.made) - use.made) for use in (*changes, *nothing))


def unmade_text(trials: Iterable[Sequence[ChangeUse]], planned: Mapping[str, int]) -> str | None:
    """Return "not every change was made before the measure phase ended: delete 0 of 1,000", or None; of the worst."""
    fewest = [list(_short(changes, planned)) for changes in trials]
    worst = max(fewest, key=len, default=[])
    return f"not every change was made before the measure phase ended: {', '.join(worst)}" if worst else None


def slow_text(trials: Iterable[Sequence[ChangeUse]], asked_per_s: float | None) -> str | None:
    """Return "changes were begun at 11.6/s, and 100/s were asked for", or None; of the slowest kind of change.

    ``asked_per_s`` is how many routes were to be changed in a second, None where nothing was asked.
    """
    found = [use.asked_per_s for changes in trials for use in changes if use.asked_per_s is not None]
    if asked_per_s is None or not found or min(found) >= SLOW_PART * asked_per_s:
        return None
    return (
        f"routes were changed at {min(found):,.3g}/s, and {asked_per_s:,.6g}/s were asked for: the next change"
        " waits until the system, or the API server, has taken the one before"
    )


def _short(changes: Sequence[ChangeUse], planned: Mapping[str, int]) -> Iterator[str]:
    made = {use.change: use.made for use in changes}
    for change, count in planned.items():
        if made.get(change, 0) < count:
            yield f"{change} {made.get(change, 0):,} of {count:,}"


def _with(use: ChangeUse, more: int) -> ChangeUse:
    return use if more <= 0 else replace(use, made=use.made + more, not_live=use.not_live + more, unmade=more)


def _nothing(change: str) -> ChangeUse:
    return ChangeUse(change, "", 0, 0, (), (), (), (), (), (), 0, None, 0, {})
