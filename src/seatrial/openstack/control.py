"""The simulator's own API, ``/simulator``: how a test changes the cloud, plants faults, and asks what happened."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from aiohttp import web
from pydantic import Field, ValidationError

from seatrial.errors import PlanError
from seatrial.faults.control import FaultControl, Refusal, json_answer, read_json, read_number
from seatrial.openstack.api.answers import base_of
from seatrial.openstack.cloud.cloud import CloudFull
from seatrial.openstack.cloud.projects import CREDENTIAL_NAME, DOMAIN_NAME, PROJECTS_LIMIT
from seatrial.openstack.cloud.resources import Kind, Resource
from seatrial.openstack.cloud.services import Shape, described
from seatrial.openstack.faults.rates import Rate
from seatrial.openstack.simulation import Simulation, require_room
from seatrial.schema.fields import AnyRate, Model
from seatrial.schema.quantities import FROM_YAML

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

Body = TypeVar("Body", bound=Model)

PREFIX = "/simulator"
SCHEMA = "seatrial.openstack/1"
ITEMS_LIMIT = 10_000
"""Of one answer."""
AT_A_TIME = 20
"""Services that are changed before the next call is answered: some milliseconds of work."""

Number = Annotated[int, Field(ge=1, le=100_000)]


class Wanted(Model):
    """Services to make, in so many projects, or in the one of a name."""

    count: Number
    project: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")] | None = None
    projects: Annotated[int, Field(ge=1, le=PROJECTS_LIMIT)] = 1
    listeners: Annotated[int, Field(ge=1, le=100)] = 1
    members: Annotated[int, Field(ge=0, le=1_000)] = 2


class Selection(Model):
    """Services that are there: by id of the load balancer, or the oldest ones, of one project or all."""

    ids: tuple[str, ...] | None = Field(None, max_length=ITEMS_LIMIT, strict=False)
    count: Number | None = None
    project: str | None = None


class Limit(Model):
    """Calls a second of each token, and how many at once after a rest; as many as in a second where not given."""

    rate: AnyRate
    burst: Number | None = None


class Control:
    """Answers for the simulator itself; none of it is counted as a call."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._cloud = simulation.cloud

    def routes(self) -> list[web.RouteDef]:
        """Return what is answered."""
        return [
            web.get(PREFIX, self._state),
            web.get(f"{PREFIX}/services", self._services),
            web.post(f"{PREFIX}/services", self._create),
            web.post(f"{PREFIX}/services/update", self._update),
            web.post(f"{PREFIX}/services/delete", self._delete),
            web.get(f"{PREFIX}/changes", self._changes),
            web.get(f"{PREFIX}/calls", self._calls),
            web.delete(f"{PREFIX}/calls", self._reset_calls),
            web.put(f"{PREFIX}/rate-limit", self._limit),
            web.delete(f"{PREFIX}/rate-limit", self._no_limit),
            web.post(f"{PREFIX}/tokens/expire", self._expire),
            *FaultControl(PREFIX, self._simulation.faults).routes(),
        ]

    async def _state(self, request: web.Request) -> web.Response:
        return json_answer(state(self._simulation, base_of(request)))

    async def _services(self, request: web.Request) -> web.Response:
        project = self._project_id(request.query.get("project"))
        after, limit = read_number(request, "after", 0), read_number(request, "limit", ITEMS_LIMIT)
        found = list(self._cloud.all(Kind.LOAD_BALANCER, project))
        page = found[after : after + min(limit, ITEMS_LIMIT)]
        documents = [described(one, self._project_name(one)) for one in page]
        return json_answer({"total": len(found), "services": documents})

    async def _create(self, request: web.Request) -> web.Response:
        wanted = await _read(request, Wanted)
        directory = self._simulation.directory
        is_new = wanted.project is not None and directory.project(wanted.project) is None
        if is_new and len(directory.projects) > PROJECTS_LIMIT:
            raise Refusal(f"there are {PROJECTS_LIMIT:,} projects at most", 409)
        shape = Shape(wanted.count, wanted.projects, wanted.listeners, wanted.members)
        try:
            require_room(shape, sum(self._cloud.count(kind) for kind in Kind))
        except PlanError as error:
            raise Refusal(error.line, 409) from error
        try:
            done = [one async for one in self._each(self._simulation.services.create(shape, wanted.project))]
        except CloudFull as error:
            raise Refusal("the cloud is full", 409) from error
        return json_answer({"services": done}, 201)

    async def _update(self, request: web.Request) -> web.Response:
        return await self._change(request, self._simulation.services.update)

    async def _delete(self, request: web.Request) -> web.Response:
        return await self._change(request, self._cloud.delete)

    async def _change(self, request: web.Request, change: Callable[[Resource], None]) -> web.Response:
        chosen = self._chosen(await _read(request, Selection))

        def changed() -> Iterable[Resource]:
            for one in chosen:
                # Others may have removed it while this goes on.
                if self._cloud.get(Kind.LOAD_BALANCER, one.id) is one:
                    change(one)
                    yield one

        return json_answer({"services": [one async for one in self._each(changed())]})

    async def _each(self, changed: Iterable[Resource]) -> AsyncIterator[dict[str, Any]]:
        """Yield what was changed, with when it became visible; other calls are answered in between."""
        for number, one in enumerate(changed, 1):
            visible = self._cloud.clock.document(self._cloud.clock.now_ns())
            yield {**described(one, self._project_name(one)), "visible": visible}
            if number % AT_A_TIME == 0:
                await asyncio.sleep(0)

    def _chosen(self, selection: Selection) -> list[Resource]:
        if (selection.ids is None) == (selection.count is None):
            raise Refusal('give either "ids" or a "count"')
        if selection.ids is None:
            project = self._project_id(selection.project)
            return list(self._cloud.all(Kind.LOAD_BALANCER, project))[: selection.count]
        found = [self._cloud.get(Kind.LOAD_BALANCER, one) for one in selection.ids]
        if None in found:
            raise Refusal(f"there is no load balancer {selection.ids[found.index(None)]}", 404)
        return [one for one in found if one is not None]

    async def _changes(self, request: web.Request) -> web.Response:
        changes, kind = self._cloud.changes, request.query.get("kind")
        after, limit = read_number(request, "after", 0), read_number(request, "limit", ITEMS_LIMIT)
        page = list(changes.after(after, min(limit, ITEMS_LIMIT)))
        clock = self._cloud.clock
        return json_answer(
            {
                "changes": [one.document(clock) for one in page if kind in {None, one.kind}],
                "last_sequence": changes.last,
                "next_after": page[-1].sequence if page else max(after, changes.dropped),
                "dropped": changes.dropped,
            }
        )

    async def _calls(self, _: web.Request) -> web.Response:
        limit = self._simulation.rate_limit
        return json_answer(self._simulation.calls.document() | {"rate_limited": limit.refused})

    async def _reset_calls(self, _: web.Request) -> web.Response:
        self._simulation.calls.reset()
        self._simulation.rate_limit.refused = 0
        return web.Response(status=204)

    async def _limit(self, request: web.Request) -> web.Response:
        limit = await _read(request, Limit)
        rate = Rate(limit.rate, limit.burst or max(limit.rate, 1.0))
        self._simulation.rate_limit.set(rate)
        return json_answer({"rate_per_s": rate.per_s, "burst": rate.burst})

    async def _no_limit(self, _: web.Request) -> web.Response:
        self._simulation.rate_limit.set(None)
        return web.Response(status=204)

    async def _expire(self, _: web.Request) -> web.Response:
        return json_answer({"expired": self._simulation.tokens.revoke_all()})

    def _project_id(self, given: str | None) -> str | None:
        project = None if given is None else self._simulation.directory.project(given)
        if given is not None and project is None:
            raise Refusal(f"there is no project {given}", 404)
        return None if project is None else project.id

    def _project_name(self, resource: Resource) -> str:
        project = self._simulation.directory.project(resource.project_id)
        return "" if project is None else project.name


def state(simulation: Simulation, base: str) -> dict[str, Any]:
    """Return where the cloud is, how one gets in, and how much there is."""
    admin, rate = simulation.directory.admin, simulation.rate_limit.rate
    return {
        "schema": SCHEMA,
        "auth_url": f"{base}/identity/v3",
        "control_url": f"{base}{PREFIX}",
        "username": admin.name,
        "password": simulation.settings.password,
        "project_name": admin.project.name,
        "domain_name": DOMAIN_NAME,
        "application_credential": {"id": admin.credential_id, "name": CREDENTIAL_NAME},
        "seed": simulation.settings.seed,
        "projects": len(simulation.directory.projects),
        "resources": {kind.plural: simulation.cloud.count(kind) for kind in Kind},
        "last_sequence": simulation.cloud.changes.last,
        "rate_limit_per_s": None if rate is None else rate.per_s,
    }


async def _read(request: web.Request, model: type[Body]) -> Body:
    try:
        return model.model_validate(await read_json(request), context=FROM_YAML)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Refusal(f"{where}: {first['msg']}".removeprefix(": ")) from error
