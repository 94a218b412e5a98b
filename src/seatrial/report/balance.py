"""How evenly the members of fleets shared the load, the same in every output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.wording import range_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from seatrial.analysis.members import MemberUse
    from seatrial.analysis.run.model import RunSummary

HEADING = "How evenly the members of each fleet shared the load:"


def balance_lines(summary: RunSummary) -> tuple[str, ...]:
    """Return "envoy, each of 3: 33.1 to 33.5 % of the requests, 33.3 % of the connections", of fleets of one size."""
    fleets: dict[tuple[str, int], list[Sequence[MemberUse]]] = {}
    for case in summary.cases:
        for trial in case.trials:
            if len(trial.members) > 1:
                fleets.setdefault((case.case.system, len(trial.members)), []).append(trial.members)
    return tuple(
        f"{system}, each of {size}: {', '.join(parts)}"
        for (system, size), members in fleets.items()
        if (parts := [*_part(members, "requests", _requests), *_part(members, "connections", _connections)])
    )


def _part(
    fleets: Sequence[Sequence[MemberUse]], what: str, read: Callable[[MemberUse], int | None]
) -> list[str]:
    shares = [100 * share for members in fleets for share in _shares(members, read)]
    return [f"{range_text(f'{min(shares):.3g}', f'{max(shares):.3g}')} % of the {what}"] if shares else []


def _requests(use: MemberUse) -> int | None:
    return use.requests


def _connections(use: MemberUse) -> int | None:
    return use.connections_max


def _shares(members: Sequence[MemberUse], read: Callable[[MemberUse], int | None]) -> list[float]:
    """Return the part of each member; none where one is not known, or there is nothing to share."""
    counts = [read(use) for use in members]
    known = [count for count in counts if count is not None]
    total = sum(known)
    return [count / total for count in known] if total and len(known) == len(counts) else []
