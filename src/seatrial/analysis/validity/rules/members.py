"""The rules of validity that are about what a system itself counts of its connections, and each of its members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.reasons import Reason
from seatrial.record.events import COMPLETED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.analysis.validity.evidence import TrialEvidence

# Connections are dealt to the members of a fleet in turns, so that each has its even share but for those on their way.
UNEVEN_CONNECTIONS = 1.25
# Requests go where a connection is free, so that a slower member has fewer. One with less than half of an even share,
# or more than twice as much, is another system than the one that was asked for.
UNEVEN_REQUESTS = 2.0
# Below these chance makes shares uneven: requests go where a connection is free.
LEAST_CONNECTIONS, LEAST_REQUESTS = 10, 100


def gauge_disagrees(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which the system did not have as many connections as the workers held."""
    gauge, load = evidence.own_gauge, evidence.steady
    if evidence.discovery is not None:
        # Nobody asks a discoverer for anything.
        return None
    if gauge is None or load is None or evidence.state != COMPLETED or not load.window_s:
        return None
    wanted = evidence.held.requested + evidence.active.requested
    # Those that are being opened again may be counted twice for a moment, the old one and the new one, or not at all.
    moving = evidence.active.requested if load.connections.churned or load.connections.reconnected else 0
    if wanted - moving <= gauge.lowest and gauge.highest <= wanted + moving:
        return None
    seen = f"{gauge.lowest:,}" if gauge.lowest == gauge.highest else f"{gauge.lowest:,} to {gauge.highest:,}"
    return Reason(
        "system.gauge",
        f"the system counted {seen} connections, {wanted:,} were held by the workers",
        "look for something between the workers and the system, for other clients of it, and for its limits",
    )


def unbalanced(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which members of a fleet had far more or less than their share."""
    members = evidence.members
    if len(members) < 2 or evidence.state != COMPLETED:
        return None
    names = [use.member for use in members]
    connections = [use.connections_max for use in members]
    requests = [use.requests for use in members] if evidence.requests_are_spread else []
    found = [
        *_uneven(names, connections, "connections", LEAST_CONNECTIONS, UNEVEN_CONNECTIONS),
        *_uneven(names, requests, "requests", LEAST_REQUESTS, UNEVEN_REQUESTS),
    ]
    if not found:
        return None
    return Reason(
        "system.unbalanced",
        f"the {len(members)} members did not share the load evenly: {'; '.join(found)}",
        "look at the log of the member that is named, and for something that opens connections beside the workers",
    )


def _uneven(
    names: Sequence[str], counts: Sequence[int | None], what: str, least: int, allowed: float
) -> list[str]:
    known = [count for count in counts if count is not None]
    even = sum(known) / len(names)
    if len(known) < len(names) or even < least:
        return []
    return [
        f"{name} had {count:,} {what} of {even:,.0f}"
        for name, count in zip(names, known, strict=True)
        if not even / allowed <= count <= even * allowed
    ]
