"""Every call that went through the gate: those under way, those that have ended with their moments, and counts."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from seatrial.faults.happening import BROKEN_OFF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.cluster.asked import Asked

KEPT_LIMIT = 200_000
"""Calls that have ended and can be fetched: about 80 MB."""
KINDS_LIMIT = 10_000
"""Verbs, resources and statuses that are counted apart: a client may ask for any path."""
SHOWN_LIMIT = 1_000
OTHERS = ("(others)", "(others)", 0)
FIELDS = (
    "seq", "began_ns", "ended_ns", "method", "verb", "group", "resource", "namespace", "name", "status", "agent",
    "fault", "upstream_ns", "upstream_status", "bytes",
)  # fmt: skip
"""Of a row: ``upstream_ns`` is 0 where the API server was not asked, ``upstream_status`` where it did not answer."""

Row = tuple[int, int, int, str, str, str, str, str, str, int, str, str | None, int, int, int]
"""Nothing but words and numbers, so that the collector of garbage does not look through two hundred thousand."""


@dataclass(slots=True)
class Call:
    """A call that is under way. Times are nanoseconds of CLOCK_MONOTONIC.

    ``status`` is what the client has heard, 0 where it got no answer; ``fault`` what befell it. ``upstream_ns`` is how
    long the API server took, from the call sent on to the last byte of its answer, ``upstream_status`` what that was.
    ``bytes`` are those of the answer's body.
    """

    asked: Asked
    method: str
    agent: str
    began_ns: int
    status: int = BROKEN_OFF
    fault: str | None = None
    upstream_ns: int = 0
    upstream_status: int = 0
    bytes: int = 0


class Calls:
    """All of them. A watch is a call that is counted apart while it is under way."""

    def __init__(self, kept_limit: int = KEPT_LIMIT) -> None:
        self.ended = 0
        self.most_at_once = 0
        self._under_way: dict[int, Call] = {}
        self._watches: dict[int, Call] = {}
        self._rows: deque[Row] = deque(maxlen=kept_limit)
        self._counts: Counter[tuple[str, str, int]] = Counter()

    def begin(self, asked: Asked, method: str, agent: str) -> Call:
        """Count a call as under way."""
        # The same few words in every row.
        call = Call(asked, method, sys.intern(agent), time.monotonic_ns())
        if asked.is_watch:
            self._watches[id(call)] = call
        else:
            self._under_way[id(call)] = call
            self.most_at_once = max(self.most_at_once, len(self._under_way))
        return call

    def end(self, call: Call) -> None:
        """Count it as ended, now."""
        asked = call.asked
        del (self._watches if asked.is_watch else self._under_way)[id(call)]
        self.ended += 1
        self._rows.append(
            (
                self.ended, call.began_ns, time.monotonic_ns(), call.method, asked.verb, asked.group, asked.resource,
                asked.namespace, asked.name, call.status, call.agent, call.fault, call.upstream_ns,
                call.upstream_status, call.bytes,
            )
        )  # fmt: skip
        kind = (asked.verb, asked.resource, call.status)
        is_room = len(self._counts) < KINDS_LIMIT or kind in self._counts
        self._counts[kind if is_room else OTHERS] += 1

    @property
    def dropped(self) -> int:
        """How many that have ended cannot be fetched any more."""
        return self.ended - len(self._rows)

    def after(self, sequence: int, limit: int) -> Iterator[Row]:
        """Yield those that ended after one, in order of their ends."""
        begin = max(0, sequence - self.dropped)
        yield from islice(self._rows, begin, begin + limit)

    def document(self) -> dict[str, Any]:
        """Return the counts, and what is under way now."""
        return {
            "ended": self.ended,
            "dropped": self.dropped,
            "counts": [
                {"verb": verb, "resource": resource, "status": status, "count": count}
                for (verb, resource, status), count in self._counts.items()
            ],
            "calls_under_way": len(self._under_way),
            "watches_under_way": len(self._watches),
            "most_calls_at_once": self.most_at_once,
            "under_way": [
                {
                    "began_ns": call.began_ns,
                    "verb": call.asked.verb,
                    "resource": call.asked.resource,
                    "namespace": call.asked.namespace,
                    "name": call.asked.name,
                }
                for calls in (self._under_way, self._watches)
                for call in islice(calls.values(), SHOWN_LIMIT)
            ],
        }
