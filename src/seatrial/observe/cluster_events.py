"""What a cluster reported of pods and nodes meanwhile: its Warning events, and nodes that were not ready."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from seatrial.cluster.rights import rights_to
from seatrial.observe.samples import ClusterEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from seatrial.cluster.client import Client

RIGHTS = rights_to(
    "list", "events", why="what befalls pods and nodes meanwhile is noted in the record", is_optional=True
)
REASONS = frozenset((
    "BackOff", "Evicted", "EvictionThresholdMet", "FailedScheduling", "NodeNotReady", "OOMKilling", "Preempted",
    "SystemOOM", "TaintManagerEviction", "Unhealthy",
))  # fmt: skip
"""Those that matter to a measurement."""
OF_NODES = "default"
"""The namespace that events of nodes are in."""
EVENTS_LIMIT = 50
"""Of a cluster that reports more in a trial the first ones say what happened."""
_SECOND_S = 1.0


async def events_since(
    client: Client, namespaces: Iterable[str], since_s: float, limit_s: float
) -> list[ClusterEvent]:
    """Return the events of these namespaces and of nodes since a moment of the wall clock, by time.

    Times are to the second, and the API server's. Raises ``ClusterFault``.
    """
    since = datetime.fromtimestamp(since_s - _SECOND_S, UTC)
    found: list[tuple[datetime, str]] = []
    for namespace in sorted({*namespaces, OF_NODES}):
        answer = await client.get(
            f"/api/v1/namespaces/{namespace}/events", limit_s=limit_s, asked=f"list events of {namespace}"
        )
        found += _of_interest(answer.body["items"], since)
    found.sort()
    more = len(found) - EVENTS_LIMIT
    events = [ClusterEvent(text) for _, text in found[:EVENTS_LIMIT]]
    return [*events, ClusterEvent(f"the cluster reported {more:,} more")] if more > 0 else events


def _of_interest(events: Iterable[Mapping[str, Any]], since: datetime) -> Iterator[tuple[datetime, str]]:
    for event in events:
        at = _last(event)
        if event.get("reason") in REASONS and at is not None and at >= since:
            of = event.get("involvedObject") or {}
            name = "/".join(filter(None, (of.get("namespace"), of.get("name"))))
            count = f" ({event['count']} times)" if (event.get("count") or 1) > 1 else ""
            text = f"{event['reason']}: {of.get('kind', 'object')} {name}: {str(event.get('message') or '').strip()}"
            yield at, f"the cluster reported at {at:%H:%M:%S} UTC: {text}{count}"


def _last(event: Mapping[str, Any]) -> datetime | None:
    times = (
        (event.get("series") or {}).get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
    )
    found = next((time for time in times if time), None)
    return None if found is None else datetime.fromisoformat(found)
