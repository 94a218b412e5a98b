"""Routes that come, change and go beside those of a topology, which stay as they are; or the endpoints behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seatrial.topology.expand import Route, Service, Topology

if TYPE_CHECKING:
    from collections.abc import Mapping

Change = Literal["create", "update", "delete"]
What = Literal["routes", "endpoints"]
"""What a generation of a changed route differs from the one before in: to which service it leads, or to which endpoints
the service leads that is its own."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One ``change`` of some ``routes`` beside those of ``base``: as they are to be, or as they were that are deleted.

    ``before`` are those that are updated as they were until then. ``generations`` are those of all that there are then,
    by number; they differ in ``what``.
    """

    base: Topology
    change: Change
    routes: tuple[Route, ...]
    generations: Mapping[int, int]
    what: What = "routes"
    before: tuple[Route, ...] = ()

    def topology(self) -> Topology:
        """Return the whole as it is then: whoever changes single routes does without the ten thousand others."""
        return with_changes(self.base, self.generations, self.what)


def changed_route(base: Topology, number: int, generation: int, what: What = "routes") -> Route:
    """Return the ``number``-th route beside those of ``base``, in its ``generation``, from 1 on.

    Each generation leads to another service than the one before, or where the endpoints change to a service of its own
    with those of another: so an answer says which one it is of. ``base`` tells routes apart, by host or by path as this
    one does, and has two services at least.
    """
    service = base.services[(number + generation) % len(base.services)]
    name, first = f"change-{number}", base.routes[0]
    if what == "endpoints":
        service = Service(name, service.endpoints)
    if base.by_path:
        return Route(name, None, f"/{name}/", service, first.any_host)
    return Route(name, f"{name}.example.com", "/", service)


def with_changes(base: Topology, generations: Mapping[int, int], what: What = "routes") -> Topology:
    """Return ``base`` with these routes beside, each by its number in its generation."""
    beside = [
        changed_route(base, number, generation, what) for number, generation in sorted(generations.items())
    ]
    own = (route.service for route in beside) if what == "endpoints" else ()
    return Topology((*base.routes, *beside), (*base.services, *own))
