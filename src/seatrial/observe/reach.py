"""Which nodes of a cluster could not be reached meanwhile, though the cluster itself could."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.observe.samples import NodeAway

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from seatrial.machine.members import Role


class Reach:
    """Takes rounds of readings. Where no node answers, it may be the way to the cluster that is cut, and not theirs."""

    def __init__(self) -> None:
        self._since_s: dict[str, float] = {}
        self._roles: dict[str, tuple[Role, ...]] = {}
        self._seen_s: dict[str, float] = {}
        self._away: list[NodeAway] = []

    def took(
        self, roles: Mapping[str, tuple[Role, ...]], answered: Collection[str], began_s: float, ended_s: float
    ) -> None:
        """Take a round: which nodes were asked, with the roles of their pods, and which of them answered."""
        self._roles.update(roles)
        for node in answered:
            self._back(node, ended_s)
            self._seen_s[node] = ended_s
        for node in roles.keys() - set(answered) if answered else ():
            # It was there when it answered last: since then it may have gone at any moment.
            self._since_s.setdefault(node, self._seen_s.get(node, began_s))

    def away(self, now_s: float) -> tuple[NodeAway, ...]:
        """Return every stretch so far; CLOCK_MONOTONIC seconds."""
        return (*self._away, *(self._stretch(node, now_s) for node in self._since_s))

    def _back(self, node: str, at_s: float) -> None:
        if node in self._since_s:
            self._away.append(self._stretch(node, at_s))
            del self._since_s[node]

    def _stretch(self, node: str, to_s: float) -> NodeAway:
        return NodeAway(node, self._roles[node], self._since_s[node], to_s)
