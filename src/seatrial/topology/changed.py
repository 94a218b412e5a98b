"""Routes that come, change and go beside those of a topology, which stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seatrial.topology.expand import Route, Topology

if TYPE_CHECKING:
    from collections.abc import Mapping

Change = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Changed:
    """One ``change`` of some ``routes`` beside those of ``base``: as they are to be, or as they were that are deleted.

    ``generations`` are those of all that there are then, by number.
    """

    base: Topology
    change: Change
    routes: tuple[Route, ...]
    generations: Mapping[int, int]

    def topology(self) -> Topology:
        """Return the whole as it is then: whoever changes single routes does without the ten thousand others."""
        return with_changes(self.base, self.generations)


def changed_route(base: Topology, number: int, generation: int) -> Route:
    """Return the ``number``-th route beside those of ``base``, in its ``generation``, from 1 on.

    Each generation leads to another service than the one before, so that an answer says which one it is of. ``base``
    tells routes apart, by host or by path as this one does, and has two services at least.
    """
    service = base.services[(number + generation) % len(base.services)]
    name, first = f"change-{number}", base.routes[0]
    if base.by_path:
        return Route(name, None, f"/{name}/", service, first.any_host)
    return Route(name, f"{name}.example.com", "/", service)


def with_changes(base: Topology, generations: Mapping[int, int]) -> Topology:
    """Return ``base`` with these routes beside, each by its number in its generation."""
    beside = (changed_route(base, number, generation) for number, generation in sorted(generations.items()))
    return Topology((*base.routes, *beside), base.services)
