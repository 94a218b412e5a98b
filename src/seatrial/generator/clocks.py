"""How clocks of other machines differ from ours, as far as questions and answers over a network can say.

A clock that showed ``shown`` when it was asked was so at some moment between the question and its answer. So each
exchange bounds the difference from both sides, and the bounds of several exchanges together are narrower than those of
the best (Marzullo and Owicki, "Maintaining the Time in a Distributed System", 1983). Half of what is left between them
is the error.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass

KEPT = 256
"""Exchanges with one clock that are looked at together: of its last half minute, however many pods go by it."""

SPAN_NS = 30_000_000_000
"""Two crystals drift apart by up to 100 us in a second where nothing corrects them: older bounds are no longer true."""


@dataclass(frozen=True, slots=True)
class Offset:
    """A clock shows ``offset_ns`` more than ours, give or take ``error_ns``."""

    offset_ns: int
    error_ns: int


@dataclass(frozen=True, slots=True)
class WorkerClock:
    """How a worker elsewhere kept time with this machine: its start and its frames were put onto our clock with this.

    Its clock is ``offset_ns`` ahead of ours, give or take ``error_ns``, as of when the schedule was announced, and was
    ``drift_ns`` further ahead at the end.
    """

    worker: int
    offset_ns: int
    error_ns: int
    drift_ns: int


class Clocks:
    """The clocks of all machines that workers run on, by the boot of each: pods of one machine share its clock."""

    def __init__(self) -> None:
        self._exchanges: defaultdict[str, deque[tuple[int, int, int]]] = defaultdict(
            lambda: deque(maxlen=KEPT)
        )

    def answered(self, clock: str, *, asked_ns: int, shown_ns: int, heard_ns: int) -> None:
        """Take an exchange: asked and heard by our clock, shown by that one."""
        self._exchanges[clock].append((shown_ns - heard_ns, shown_ns - asked_ns, heard_ns))

    def offset(self, clock: str) -> Offset:
        """Return how a clock that has answered differs from ours now."""
        exchanges = self._exchanges[clock]
        newest_ns = exchanges[-1][2]
        recent = [(low, high) for low, high, heard_ns in exchanges if newest_ns - heard_ns <= SPAN_NS]
        low, high = max(low for low, _ in recent), min(high for _, high in recent)
        if low > high:
            # It was set, or drifts faster than it should: the last word holds.
            low, high, _ = exchanges[-1]
        return Offset((low + high) // 2, (high - low + 1) // 2)
