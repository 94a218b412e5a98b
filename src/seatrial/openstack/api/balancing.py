"""Load balancers as a service: listed, shown, created, updated, deleted, by Neutron's API and by Octavia's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from seatrial.faults.control import json_answer
from seatrial.openstack.api.answers import Face, Refused, body_of
from seatrial.openstack.api.context import PAGE_FAULT, caller
from seatrial.openstack.api.pages import Page, Query, page_of
from seatrial.openstack.api.placing import Placing
from seatrial.openstack.api.rights import listed_project, missing, require_mutable, visible
from seatrial.openstack.api.shown import Shown, names_of
from seatrial.openstack.api.written import content_of, created, updated
from seatrial.openstack.cloud.cloud import Cloud, CloudFull
from seatrial.openstack.cloud.resources import Kind, Resource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    Handler = Callable[[web.Request, Kind], Awaitable[web.Response]]

AT = {Face.NEUTRON: ("/network/v2.0",), Face.OCTAVIA: ("/load-balancer/v2.0", "/load-balancer/v2")}
"""Below which paths each answers: Octavia has two names for the same."""
# Keys that mean the project, the older one last.
_PROJECT_KEYS = ("project_id", "tenant_id")


@dataclass(frozen=True, slots=True)
class Balancing:
    """Answers for one of the two services. ``pending_ns`` is how long a change takes to be ACTIVE, or gone."""

    face: Face
    cloud: Cloud
    shown: Shown
    pending_ns: int
    page_limit: int | None

    def routes(self) -> list[web.RouteDef]:
        """Return what is answered."""
        return [route for prefix in AT[self.face] for route in self._routes_below(f"{prefix}/lbaas")]

    def _routes_below(self, prefix: str) -> Iterable[web.RouteDef]:
        for kind in Kind:
            below = "/pools/{pool_id}" if kind is Kind.MEMBER else ""
            several = f"{prefix}{below}/{kind.plural}"
            one = f"{several}/{{{kind.value}_id}}"
            yield web.get(several, self._of(kind, self._list))
            yield web.post(several, self._of(kind, self._create))
            yield web.get(one, self._of(kind, self._show))
            yield web.put(one, self._of(kind, self._update))
            yield web.delete(one, self._of(kind, self._delete))

    def _of(self, kind: Kind, handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            return await handler(request, kind)

        return handle

    async def _list(self, request: web.Request, kind: Kind) -> web.Response:
        query = Query.read(request.query, self.page_limit, names_of(kind))
        page = page_of(self._found(request, kind, query), query, lambda resource: resource.id)
        if page is None and self.face is Face.NEUTRON:
            raise missing(kind, query.marker or "", self.face)
        if page is None:
            raise Refused(400, f"Supplied pagination marker '{query.marker}' is not valid.")
        answer = self._page_answer(kind, page.items, page.rel_links(request), query.fields)
        self._change_page(request, page)
        return answer

    def _found(self, request: web.Request, kind: Kind, query: Query) -> Iterable[Resource]:
        """Return what the caller sees and the query takes, in its order."""
        token = caller(request)
        asked = next((query.filters[key] for key in _PROJECT_KEYS if key in query.filters), None)
        project_id = listed_project(token, None if asked is None else asked[0], self.face)
        if kind is Kind.MEMBER:
            pool = visible(self.cloud, Kind.POOL, request.match_info["pool_id"], token, self.face)
            members = pool.of(Kind.MEMBER).values()
            resources: Iterable[Resource] = [one for one in members if project_id in {None, one.project_id}]
        else:
            resources = self.cloud.all(kind, project_id)
        # Whatever is asked of the project has been answered by whose resources these are.
        if set(query.filters) <= set(_PROJECT_KEYS) and not (query.order or query.tags):
            return resources
        documents = [(self.shown.document(one, self.face), one) for one in resources]
        taken = [pair for pair in documents if query.takes(pair[0])]
        return [one for _, one in query.in_order(taken, lambda pair: pair[0])]

    def _page_answer(
        self, kind: Kind, page: Iterable[Resource], links: list[dict[str, str]], fields: tuple[str, ...]
    ) -> web.Response:
        if fields:
            documents = (self.shown.document(one, self.face) for one in page)
            texts = [
                json.dumps({name: document[name] for name in fields if name in document}).encode()
                for document in documents
            ]
        else:
            texts = [self.shown.text(one, self.face) for one in page]
        # Neutron says nothing of pages where there are no others.
        tail = b"}"
        if links or self.face is Face.OCTAVIA:
            tail = b',"%s_links":%s}' % (kind.plural.encode(), json.dumps(links).encode())
        body = b'{"%s":[%s]%s' % (kind.plural.encode(), b",".join(texts), tail)
        return web.Response(body=body, content_type="application/json")

    def _change_page(self, request: web.Request, page: Page[Resource]) -> None:
        """Have the last on a page vanish, whose id is the marker of the next, where that fault is in force."""
        planted = request.get(PAGE_FAULT)
        if planted is not None and page.next_marker is not None:
            planted.done += 1
            self.cloud.delete(page.items[-1])

    async def _show(self, request: web.Request, kind: Kind) -> web.Response:
        resource = self._named(request, kind)
        fields = tuple(name for value in request.query.getall("fields", []) for name in value.split(","))
        document = self.shown.document(resource, self.face)
        if fields:
            document = {name: value for name, value in document.items() if name in fields}
        return json_answer({kind.value: document})

    async def _create(self, request: web.Request, kind: Kind) -> web.Response:
        token = caller(request)
        content = content_of(await body_of(request), kind)
        attributes = created(content, kind, self.face)
        placing = Placing(self.cloud, token, self.face)
        project_id, parent = placing.place(kind, content, attributes, request.match_info.get("pool_id"))
        try:
            resource = self.cloud.create(kind, project_id, attributes, parent, self.pending_ns)
        except CloudFull:
            raise Refused(403, "Quota has been met.", "OverQuota") from None
        if kind is Kind.POOL and content.get("listener_id"):
            listener = self.cloud.get(Kind.LISTENER, content["listener_id"])
            assert listener is not None
            self.cloud.update(listener, {"default_pool_id": resource.id}, self.pending_ns)
        return json_answer({kind.value: self.shown.document(resource, self.face)}, 201)

    async def _update(self, request: web.Request, kind: Kind) -> web.Response:
        content = content_of(await body_of(request), kind)
        resource = self._named(request, kind)
        attributes = updated(content, kind, self.face)
        require_mutable(resource, self.face)
        if attributes.get("default_pool_id"):
            Placing(self.cloud, caller(request), self.face).default_pool(
                resource.load_balancer, attributes["default_pool_id"]
            )
        self.cloud.update(resource, attributes, self.pending_ns)
        return json_answer({kind.value: self.shown.document(resource, self.face)})

    async def _delete(self, request: web.Request, kind: Kind) -> web.Response:
        resource = self._named(request, kind)
        require_mutable(resource, self.face, is_removal=True)
        cascade = self.face is Face.OCTAVIA and request.query.get("cascade", "").lower() == "true"
        child = next((one for one in resource.with_descendants()[1:]), None)
        if kind is Kind.LOAD_BALANCER and child is not None and not cascade:
            raise self._has_children(resource, child)
        self.cloud.delete(resource, self.pending_ns)
        return web.Response(status=204)

    def _has_children(self, resource: Resource, child: Resource) -> Refused:
        if self.face is Face.NEUTRON:
            return Refused(409, f"{child.kind.value} {child.id} is using this loadbalancer", "EntityInUse")
        return Refused(
            400, f"Validation failure: Cannot delete Load Balancer {resource.id} - it has children"
        )

    def _named(self, request: web.Request, kind: Kind) -> Resource:
        token = caller(request)
        identity: str = request.match_info[f"{kind.value}_id"]
        resource = visible(self.cloud, kind, identity, token, self.face)
        pool_id: Any = request.match_info.get("pool_id")
        if kind is Kind.MEMBER and (resource.parent is None or resource.parent.id != pool_id):
            raise missing(kind, identity, self.face)
        return resource
