"""Which nodes of a cluster could not be reached meanwhile, though the cluster itself could."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.observe.samples import NodeAway

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from seatrial.machine.members import Role

ROUNDS = 2
"""A node that is busy may miss one."""


@dataclass(slots=True)
class _Missed:
    since_s: float
    rounds: int = 0


class Reach:
    """Takes rounds of readings. Where no node answers, it may be the way to the cluster that is cut, and not theirs.

    A node that has never answered may be one that the API server does not reach at any time: nothing is known of it.
    """

    def __init__(self) -> None:
        self._roles: dict[str, tuple[Role, ...]] = {}
        self._seen_s: dict[str, float] = {}
        self._missed: dict[str, _Missed] = {}
        self._away: list[NodeAway] = []

    def took(self, roles: Mapping[str, tuple[Role, ...]], answered: Collection[str], at_s: float) -> None:
        """Take a round that is over: which nodes were asked, with the roles of their pods, and which answered."""
        self._roles.update(roles)
        for node in answered:
            self._away += self._stretch(node, at_s)
            self._missed.pop(node, None)
            self._seen_s[node] = at_s
        for node in roles.keys() - set(answered) if answered else ():
            if (seen_s := self._seen_s.get(node)) is not None:
                # It was there when it answered last: since then it may have gone at any moment.
                self._missed.setdefault(node, _Missed(seen_s)).rounds += 1

    def away(self, now_s: float) -> tuple[NodeAway, ...]:
        """Return every stretch so far; CLOCK_MONOTONIC seconds."""
        return (*self._away, *(one for node in self._missed for one in self._stretch(node, now_s)))

    def _stretch(self, node: str, to_s: float) -> tuple[NodeAway, ...]:
        missed = self._missed.get(node)
        if missed is None or missed.rounds < ROUNDS:
            return ()
        return (NodeAway(node, self._roles[node], missed.since_s, to_s),)
