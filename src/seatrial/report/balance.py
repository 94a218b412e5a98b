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
    """Return "envoy, proxies=3: each of 3 had 33.1 to 33.5 % of the requests, 36 of the connections", of fleets."""
    lines = []
    for case in summary.cases:
        fleets = [trial.members for trial in case.trials if len(trial.members) > 1]
        parts = [
            f"{range_text(f'{low:.3g}', f'{high:.3g}')} % of the {what}"
            for what, read in (("requests", _requests), ("connections", _connections))
            if (shares := [share for members in fleets for share in _shares(members, read)])
            for low, high in [(100 * min(shares), 100 * max(shares))]
        ]
        if parts:
            lines.append(
                f"{case.case.system}, {case.label}: each of {len(fleets[0])} had {' and '.join(parts)}"
            )
    return tuple(lines)


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
