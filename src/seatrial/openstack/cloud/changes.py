"""What was changed, and since when whoever asks has seen it: the times that a discovery is measured from."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.openstack.cloud.moments import Clock

KEPT_LIMIT = 200_000
"""Changes that are kept, of some 400 bytes each; a reader that comes in time misses none."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one resource. ``seen_ns``: since when an answer may show it; ``done_ns``: since when it is through.

    They differ by the time that the cloud takes (``PENDING_...``): a created one is listed at once and becomes ACTIVE
    later, a deleted one is listed as PENDING_DELETE and then not any more. Both are of CLOCK_MONOTONIC.
    """

    sequence: int
    what: str
    kind: str
    id: str
    name: str
    project_id: str
    seen_ns: int
    done_ns: int

    def document(self, clock: Clock) -> dict[str, Any]:
        """Return it as the control API has it: ``done`` is null until it is."""
        is_done = self.done_ns <= clock.now_ns()
        return {
            "sequence": self.sequence,
            "change": self.what,
            "kind": self.kind,
            "id": self.id,
            "name": self.name,
            "project_id": self.project_id,
            "visible": clock.document(self.seen_ns),
            "done": clock.document(self.done_ns) if is_done else None,
        }


class Changes:
    """The last changes, numbered from 1."""

    def __init__(self) -> None:
        self._kept: deque[Change] = deque(maxlen=KEPT_LIMIT)
        self.last = 0

    def add(self, change: Change) -> None:
        """Keep a change; the oldest goes where there are too many."""
        self._kept.append(change)
        self.last = change.sequence

    @property
    def dropped(self) -> int:
        """How many of the oldest are not kept any more."""
        return self.last - len(self._kept)

    def after(self, sequence: int, limit: int) -> Iterator[Change]:
        """Yield those after a number, ``limit`` at most."""
        first = max(sequence - self.dropped, 0)
        yield from islice(self._kept, first, first + limit)
