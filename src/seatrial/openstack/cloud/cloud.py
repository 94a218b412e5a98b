"""All load balancers of the cloud and what hangs on them: made, changed, removed, found.

It has no timer. What takes the cloud a while becomes so at a moment that is known beforehand, and :meth:`Cloud.settle`,
before anything is looked at, makes true what is due: an answer shows a change from exactly that moment on.
"""

from __future__ import annotations

import heapq
import random
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.openstack.cloud.changes import Change, Changes
from seatrial.openstack.cloud.moments import Clock
from seatrial.openstack.cloud.resources import (
    ACTIVE,
    PENDING_CREATE,
    PENDING_DELETE,
    PENDING_UPDATE,
    Kind,
    Resource,
    defaults,
)
from seatrial.seeds import derive

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RESOURCES_LIMIT = 300_000
"""Of all kinds together: 50,000 services of a load balancer, a listener, a pool and three members."""


class CloudFull(Exception):
    """There are as many resources as there may be."""


@dataclass(order=True, slots=True)
class _Due:
    """What becomes true at a moment."""

    due_ns: int
    order: int
    resource: Resource = field(compare=False)
    is_removal: bool = field(compare=False)


class Cloud:
    """The resources by kind, in the order in which they were made. Not recorded as changes before :meth:`open`."""

    def __init__(self, seed: int, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.changes = Changes()
        self._ids = random.Random(derive(seed, "openstack", "ids"))
        self._all: dict[Kind, dict[str, Resource]] = {kind: {} for kind in Kind}
        self._of_project: dict[tuple[Kind, str], dict[str, Resource]] = {}
        self._due: list[_Due] = []
        self._order = 0
        self._is_open = False

    def open(self) -> None:
        """From here on changes are recorded: what was there before the cloud is asked has not changed."""
        self._is_open = True

    def new_id(self) -> str:
        """Return a UUID of the seed's stream."""
        return str(uuid.UUID(int=self._ids.getrandbits(128), version=4))

    def get(self, kind: Kind, identity: str) -> Resource | None:
        """Return what has this id, if there is such a thing."""
        return self._all[kind].get(identity)

    def all(self, kind: Kind, project_id: str | None = None) -> Iterable[Resource]:
        """Return those of a kind, oldest first; of one project only where it is given."""
        of_kind = self._all[kind] if project_id is None else self._of_project.get((kind, project_id), {})
        return of_kind.values()

    def count(self, kind: Kind) -> int:
        """Return how many there are."""
        return len(self._all[kind])

    def create(
        self,
        kind: Kind,
        project_id: str,
        attributes: Mapping[str, Any],
        parent: Resource | None = None,
        pending_ns: int = 0,
    ) -> Resource:
        """Make a resource, ACTIVE after ``pending_ns``; raises ``CloudFull``."""
        if sum(map(len, self._all.values())) >= RESOURCES_LIMIT:
            raise CloudFull
        now_ns = self.clock.now_ns()
        resource = Resource(
            kind, self.new_id(), project_id, defaults(kind) | dict(attributes), now_ns, parent=parent
        )
        self._all[kind][resource.id] = resource
        self._of_project.setdefault((kind, project_id), {})[resource.id] = resource
        if parent is not None:
            parent.children.setdefault(kind, {})[resource.id] = resource
        self._begin("create", resource, PENDING_CREATE, now_ns, pending_ns)
        return resource

    def update(self, resource: Resource, attributes: Mapping[str, Any], pending_ns: int = 0) -> None:
        """Change what is given; the new values are shown at once, as the real API does, and ACTIVE is late."""
        now_ns = self.clock.now_ns()
        resource.attributes |= attributes
        resource.updated_ns = now_ns
        self._begin("update", resource, PENDING_UPDATE, now_ns, pending_ns)

    def delete(self, resource: Resource, pending_ns: int = 0) -> None:
        """Remove it, and all that hangs on it."""
        now_ns = self.clock.now_ns()
        self._begin("delete", resource, PENDING_DELETE, now_ns, pending_ns)
        if not pending_ns:
            self._remove(resource)

    def settle(self) -> None:
        """Make true what is due by now."""
        now_ns = self.clock.now_ns()
        while self._due and self._due[0].due_ns <= now_ns:
            due = heapq.heappop(self._due)
            if due.is_removal:
                self._remove(due.resource)
            else:
                self._show_as(due.resource, ACTIVE)

    def _begin(self, what: str, resource: Resource, status: str, now_ns: int, pending_ns: int) -> None:
        due_ns = now_ns + pending_ns
        touched = resource.with_descendants() if status == PENDING_DELETE else [resource]
        for one in touched:
            self._show_as(one, status if pending_ns else one.status)
            self._record(what, one, now_ns, due_ns)
        root = resource.load_balancer
        for above in {resource.parent, root} - {None, resource}:
            assert above is not None
            self._show_as(above, PENDING_UPDATE if pending_ns else above.status)
            if pending_ns:
                self._plan(due_ns, above, is_removal=False)
        if pending_ns:
            self._plan(due_ns, resource, is_removal=status == PENDING_DELETE)

    def _plan(self, due_ns: int, resource: Resource, *, is_removal: bool) -> None:
        self._order += 1
        heapq.heappush(self._due, _Due(due_ns, self._order, resource, is_removal))

    def _show_as(self, resource: Resource, status: str) -> None:
        # A removal that is under way is not undone by an older change that is through.
        if resource.status != PENDING_DELETE:
            resource.status = status
        resource.load_balancer.version += 1

    def _record(self, what: str, resource: Resource, seen_ns: int, done_ns: int) -> None:
        if self._is_open:
            self.changes.add(
                Change(
                    self.changes.last + 1,
                    what,
                    resource.kind.value,
                    resource.id,
                    resource.name,
                    resource.project_id,
                    seen_ns,
                    done_ns,
                )
            )

    def _remove(self, resource: Resource) -> None:
        for one in resource.with_descendants():
            self._all[one.kind].pop(one.id, None)
            self._of_project.get((one.kind, one.project_id), {}).pop(one.id, None)
        if resource.kind is Kind.POOL:
            self._without_pool(resource)
        if resource.parent is not None:
            resource.parent.of(resource.kind).pop(resource.id, None)
        resource.load_balancer.version += 1

    def _without_pool(self, pool: Resource) -> None:
        """Leave the listeners whose default it was without one."""
        for listener in pool.load_balancer.of(Kind.LISTENER).values():
            if listener.attributes["default_pool_id"] == pool.id:
                listener.attributes["default_pool_id"] = None
