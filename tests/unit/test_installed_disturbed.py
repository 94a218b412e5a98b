"""What is done to systems on a cluster while they serve: which objects change, when it is done. It is played."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from tests.support.fake_api import fake_client, says
from tests.unit.test_plan_meant import plan

from seatrial.cluster.resources import Ref, ref_of
from seatrial.errors import ClusterFault, SystemFault
from seatrial.machine.address import Endpoint
from seatrial.plan.cases import compile_cases
from seatrial.run.cluster.rights import rights_of_plan
from seatrial.systems.installed import disturbed
from seatrial.systems.installed.disturbed import Disturbed
from seatrial.systems.installed.kinds import envoy_pods, traefik
from seatrial.systems.installed.kinds.choice import recipe_of
from seatrial.systems.installed.kinds.contour import ContourOptions
from seatrial.systems.installed.kinds.envoy_gateway import EnvoyGatewayOptions
from seatrial.systems.installed.kinds.recipe import Asked
from seatrial.systems.installed.manifests.differences import differences
from seatrial.systems.installed.manifests.objects import Site
from seatrial.systems.traefik import TraefikOptions
from seatrial.topology.expand import Topology, expand
from seatrial.topology.options import TopologyPlan

SITE = Site("a-run", "contour")
PLAIN = Asked(has_tls=False, max_connections=100)
PODS = "/api/v1/namespaces/a-run/pods"
UPSTREAMS = [Endpoint(f"10.0.{number // 250}.{1 + number % 250}", 9000) for number in range(600)]
OPTIONS = {
    "HTTPProxy": ContourOptions(),
    "Ingress": TraefikOptions(),
    "HTTPRoute": EnvoyGatewayOptions(),
}


def topology(routes: int, services: int, endpoints: int, **more: Any) -> Topology:
    return expand(TopologyPlan(routes=routes, services=services, endpoints=endpoints, **more), UPSTREAMS, 150)


def named(parts: Iterable[Iterable[Any]]) -> list[list[str]]:
    return [
        [str(one if isinstance(one, Ref) else ref_of(one)).replace("a-run/", "") for one in part] for part in parts
    ]  # fmt: skip


def between(before: Topology, after: Topology, kind: str = "HTTPProxy") -> tuple[list[list[str]], ...]:
    recipe = recipe_of(OPTIONS[kind], SITE)
    found = differences(recipe.topology(before, PLAIN, None), recipe.topology(after, PLAIN, None))
    return named(found.new), named(found.changed), named(found.gone)


@pytest.mark.parametrize("kind", OPTIONS)
def test_only_the_objects_that_differ_are_touched(kind: str) -> None:
    few, more = topology(2, 2, 1), topology(3, 2, 1)
    assert between(few, few, kind) == ([], [], [])
    assert between(few, more, kind) == ([[f"{kind} route-2"]], [], [])
    assert between(more, few, kind) == ([], [], [[f"{kind} route-2"]])
    slices = ["EndpointSlice service-0-0", "EndpointSlice service-1-0"]
    assert between(few, topology(2, 2, 2), kind) == ([], [slices], [])


def test_what_is_new_is_there_before_what_leads_to_it_and_what_goes_is_led_to_no_more() -> None:
    few, more = topology(2, 2, 1), topology(3, 3, 1)
    new = [["Service service-2"], ["EndpointSlice service-2-0"], ["HTTPProxy route-2"]]
    assert between(few, more) == (new, [], [])
    assert between(more, few) == ([], [], new[::-1])
    # A hundred endpoints are in one slice.
    over = between(topology(2, 1, 100), topology(2, 1, 101))
    assert over == ([["EndpointSlice service-0-1"]], [], [])
    # The host's HTTPProxy includes those of the paths: where one of them is not there it would be invalid.
    by_path = topology(2, 2, 1, by="path"), topology(3, 2, 1, by="path")
    assert between(*by_path) == ([["HTTPProxy route-2"]], [["HTTPProxy routes"]], [])
    assert between(*by_path[::-1]) == ([], [["HTTPProxy routes"]], [["HTTPProxy route-2"]])


def clusters(*those: tuple[str, list[str]]) -> str:
    """Return a page of an Envoy, in part."""

    def status(address: str) -> dict[str, Any]:
        host, _, port = address.rpartition(":")
        return {"address": {"socket_address": {"address": host, "port_value": int(port)}}}

    found = [{"name": name, "host_statuses": [status(one) for one in hosts]} for name, hosts in those]
    return json.dumps({"cluster_statuses": [*found, {"name": "contour"}, {"name": "envoy-admin"}]})


@pytest.mark.parametrize(
    ("names", "prefix"),
    [
        (envoy_pods.of_contour("a-run", has_tls=False, is_gateway=False), "a-run/service-{}/80/da39a3ee5e"),
        (envoy_pods.of_envoy_gateway("a-run", has_tls=True), "httproute/a-run/route-{}/rule/0"),
    ],
)
def test_the_endpoints_of_each_service_are_read_from_an_envoy(
    names: envoy_pods.EnvoyNames, prefix: str
) -> None:
    page = clusters(
        (prefix.format(0), ["10.0.0.1:9000", "10.0.0.1:9001"]), (prefix.format(1), []),
        (prefix.format(2), ["10.0.0.1:9002"]), ("other/service-0/80/x", ["10.0.0.1:9003"]),
    )  # fmt: skip

    async def get(path: str) -> str:
        assert path == "/clusters?format=json"
        return page

    found = asyncio.run(envoy_pods.endpoints(get, names))
    assert found == {
        frozenset({"10.0.0.1:9000", "10.0.0.1:9001"}),
        frozenset(),
        frozenset({"10.0.0.1:9002"}),
    }


def test_the_endpoints_of_each_service_are_read_from_a_traefik() -> None:
    services = {
        "api@internal": {"status": "enabled"},
        "a-run-service-0-80@kubernetes": {
            "loadBalancer": {"servers": [{"url": "http://10.0.0.1:9000"}, {"url": "http://[::1]:9001"}]},
            "serverStatus": {"http://10.0.0.1:9000": "UP"},
        },
        "a-run-service-1-80@kubernetes": {"weighted": {"services": []}},
    }
    found = traefik.endpoints(json.dumps({"routers": {}, "services": services}))
    assert found == {frozenset({"10.0.0.1:9000", "[::1]:9001"})}


@dataclass
class Played:
    """What was made, as who changes it sees it; ``pages`` are those of one Envoy, the last of them for ever.

    None in place of a page is that it could not be asked for. Each page takes ``takes_s``; ``asked_s`` has from when to
    when each was asked for. Of the ``silent`` none ever comes.
    """

    pages: list[str | None]
    client: Any = None
    asked: list[str] = field(default_factory=list)
    takes_s: float = 0.0
    asked_s: list[tuple[float, float]] = field(default_factory=list)
    silent: tuple[str, ...] = ()

    async def change(self, objects: Iterable[Mapping[str, Any]]) -> None:
        self.asked += [f"+{one['kind']} {one['metadata']['name']}" for one in objects]

    async def delete(self, refs: Iterable[Ref]) -> None:
        self.asked += [f"-{one.kind} {one.name}" for one in refs]

    async def available(self, deployments: Iterable[str]) -> None:
        self.asked += [f"?{name}" for name in deployments]

    async def of_each(self, ask: Callable[[Any, Any], Awaitable[bool]]) -> Mapping[str, bool]:
        async def get(_: str) -> str:
            began_s = time.monotonic()
            self.asked.append("look")
            await asyncio.sleep(self.takes_s)
            self.asked_s.append((began_s, time.monotonic()))
            page = self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]
            return page if page is not None else await unheard("")

        async def unheard(_: str) -> str:
            raise ClusterFault("the API server could not ask", status=503)

        of_each = {"envoy-a": get, **dict.fromkeys(self.silent, unheard)}
        return {name: await ask(SimpleNamespace(name=name), one) for name, one in of_each.items()}

    def disturbed(self) -> Disturbed:
        return Disturbed(recipe_of(ContourOptions(), SITE), self, self.of_each)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disturbed, "POLL_S", 0.01)


@pytest.fixture
def _not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disturbed, "IN_FORCE_LIMIT_S", 0.1)
    monkeypatch.setattr(disturbed, "RENEWED_LIMIT_S", 0.1)


def page_of(at: Topology) -> str:
    return clusters(
        *((f"a-run/{one.name}/80/da39a3ee5e", list(map(str, one.endpoints))) for one in at.services)
    )


def test_a_change_is_done_once_every_proxy_has_its_endpoints_and_no_others() -> None:
    few, more = topology(2, 2, 1), topology(2, 2, 2)
    slices = ["+EndpointSlice service-0-0", "+EndpointSlice service-1-0"]
    for before, after in ((few, more), (more, few)):
        played = Played([page_of(before), page_of(before), page_of(after)])
        asyncio.run(played.disturbed().topology(before, after, PLAIN))
        assert played.asked == [*slices, "look", "look", "look"]


def test_an_asking_that_fails_is_no_answer_yet() -> None:
    few, more = topology(2, 2, 1), topology(2, 2, 2)
    played = Played([None, page_of(few), None, page_of(more)])
    asyncio.run(played.disturbed().topology(few, more, PLAIN))
    assert played.asked[-5:] == ["+EndpointSlice service-1-0", *["look"] * 4]


@pytest.mark.usefixtures("_not_for_long")
def test_who_could_not_be_asked_until_the_end_is_the_cluster_s_fault_and_not_the_proxy_s() -> None:
    few, more = topology(2, 2, 1), topology(2, 2, 2)
    for page in (None, page_of(more)):
        silent = Played([page], silent=("envoy-b",))
        with pytest.raises(ClusterFault, match="the API server could not ask"):
            asyncio.run(silent.disturbed().topology(few, more, PLAIN))
    # What another has said, and does not have, is its own.
    with pytest.raises(SystemFault, match=r"^envoy-a: not the endpoints"):
        asyncio.run(Played([page_of(few)], silent=("envoy-b",)).disturbed().topology(few, more, PLAIN))


def test_proxies_are_left_alone_for_four_times_as_long_as_the_last_asking_took() -> None:
    few, more = topology(2, 2, 1), topology(2, 2, 2)
    played = Played([*[page_of(few)] * 3, page_of(more)], takes_s=0.05)
    asyncio.run(played.disturbed().topology(few, more, PLAIN))
    assert len(played.asked_s) == 4
    for (began_s, ended_s), (next_s, _) in pairwise(played.asked_s):
        assert next_s - ended_s >= 4 * (ended_s - began_s)


@pytest.mark.usefixtures("_not_for_long")
def test_a_proxy_that_never_takes_a_change_is_named() -> None:
    few, more = topology(2, 2, 1), topology(2, 2, 2)
    # A service that has got another's endpoints has not got its own.
    swapped = Topology(
        more.routes, tuple(type(one)(one.name, more.services[0].endpoints) for one in more.services)
    )
    for page in (few, swapped):
        with pytest.raises(SystemFault, match="envoy-a: not the endpoints of the plan's topology"):
            asyncio.run(Played([page_of(page)]).disturbed().topology(few, more, PLAIN))


def pod(name: str, *, ready: bool = True, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "a-run", "uid": f"uid-{name}", **metadata},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


PODS_OF_API = {"resources": [{"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["get", "delete"]}]}


def test_a_controller_is_restarted_once_its_pods_are_gone_and_others_are_ready() -> None:
    old, new = pod("old"), pod("new")
    leaving = pod("old", deletionTimestamp="2026-01-01T00:00:00Z")
    looks = [
        [old],
        [old],
        [leaving, pod("new", ready=False)],
        [leaving, new],
        [],
        [pod("new", ready=False)],
        [new],
    ]
    deleted: list[Any] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/api/v1":
            return web.json_response(PODS_OF_API)
        if request.method == "DELETE":
            deleted.append((request.path, await request.json()))
            return web.json_response({})
        assert request.query["labelSelector"] == (
            "app.kubernetes.io/name=contour,app.kubernetes.io/instance=contour"
        )
        return web.json_response({"items": looks.pop(0)})

    async def work() -> Played:
        async with fake_client() as (api, client):
            api.otherwise = answer
            played = Played([], client)
            await played.disturbed().controllers()
            return played

    assert asyncio.run(work()).asked == ["?contour"]
    assert looks == []
    ((path, options),) = deleted
    assert path == f"{PODS}/old"
    # Nobody else's pod of the same name.
    assert options["preconditions"] == {"uid": "uid-old"}


def renewing(*answers: Any) -> None:
    """Restart a controller whose pods are listed with these answers, the last of them for ever."""

    async def work() -> None:
        left = [says({"items": [pod("old")]}), *answers]

        async def answer(request: web.Request) -> web.StreamResponse:
            if request.path == "/api/v1":
                return web.json_response(PODS_OF_API)
            if request.method == "DELETE":
                return web.json_response({})
            listed: Callable[..., Awaitable[web.StreamResponse]] = left.pop(0) if len(left) > 1 else left[0]
            return await listed(request)

        async with fake_client() as (api, client):
            api.otherwise = answer
            await Played([], client).disturbed().controllers()

    asyncio.run(work())


REFUSED = says({"message": "not now"}, 409)


def test_a_list_of_pods_that_fails_while_a_controller_is_restarted_is_no_answer_yet() -> None:
    renewing(REFUSED, says({"items": [pod("old")]}), REFUSED, says({"items": [pod("new")]}))


@pytest.mark.usefixtures("_not_for_long")
def test_pods_that_cannot_be_listed_until_the_end_are_the_cluster_s_fault() -> None:
    with pytest.raises(ClusterFault, match="409"):
        renewing(REFUSED)


def test_which_kinds_have_a_controller_of_their_own() -> None:
    assert recipe_of(ContourOptions(), SITE).controllers == ("contour",)
    assert recipe_of(EnvoyGatewayOptions(), SITE).controllers == ("envoy-gateway",)
    assert recipe_of(TraefikOptions(), SITE).controllers == ()


def test_only_a_plan_that_restarts_a_controller_needs_to_delete_pods() -> None:
    def granted(do: str) -> set[str]:
        asked = plan(systems="[contour]", topology="{routes: 2}", during=f"[{{at: 1 s, do: {do}}}]")
        return set(map(str, rights_of_plan(compile_cases(asked))))

    assert granted("restart controller") - granted("add routes") == {"delete pods"}
