"""What is asked of systems on a cluster through its API server: counters, routes, what befell pods. It is played."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web
from tests.support.fake_api import FakeApi, fake_client

from seatrial.cluster.client import Client
from seatrial.cluster.owned import Owned
from seatrial.errors import SystemFault
from seatrial.machine.address import Endpoint
from seatrial.machine.place import ThisMachine
from seatrial.machine.processes.changes import Unrecorded
from seatrial.probe.question import Answer, Dead, Question
from seatrial.run.testbed.limits import rejected
from seatrial.run.testbed.proof import Asking, prove
from seatrial.systems.base import Launch
from seatrial.systems.counters import Counters, Reading
from seatrial.systems.envoy.system import parse_stats
from seatrial.systems.installed.found import Found
from seatrial.systems.installed.kinds import envoy_pods, traefik
from seatrial.systems.installed.kinds.choice import recipe_of
from seatrial.systems.installed.kinds.contour import ContourOptions
from seatrial.systems.installed.kinds.found import UrlOptions
from seatrial.systems.installed.manifests.objects import Site
from seatrial.systems.installed.pods import Proxies
from seatrial.systems.installed.statuses import said_of, services_of
from seatrial.systems.installed.system import Installed
from seatrial.systems.settings import LimitMet
from seatrial.topology.expand import NOWHERE, expand
from seatrial.topology.options import TopologyPlan

SITE = Site("a-run", "contour")
PODS = "/api/v1/namespaces/a-run/pods"
# As Contour 1.33.8 and Envoy Gateway 1.9.1 have their Envoys call these, in part.
STATS = """\
cluster.a-run_service-0_80.upstream_cx_active: 3
cluster.a-run_service-0_80.upstream_rq_total: 40
cluster.a-run_service-0_80.upstream_rq_pending_overflow: 2
cluster.a-run_service-1_80.upstream_rq_total: 2
cluster.httproute/a-run/route-0/rule/0.upstream_rq_total: 42
http.http-10080.downstream_rq_total: 42
http.ingress_http.downstream_cx_active: 5
http.ingress_http.downstream_cx_total: 7
http.ingress_http.downstream_rq_total: 30
http.ingress_https.downstream_rq_total: 12
listener.0.0.0.0_8080.downstream_cx_overflow: 4
listener.[__]_8443.downstream_cx_overflow: 1
server.concurrency: 1
"""


EVICTED = {
    "metadata": {"name": "a", "namespace": "a-run", "uid": "uid-a"},
    "status": {
        "phase": "Failed", "podIP": "10.0.0.1", "reason": "Evicted",
        "message": "The node was low on resource: memory.",
    },
}  # fmt: skip


def played(work: Callable[[FakeApi, Client], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with fake_client() as (api, client):
            await work(api, client)

    asyncio.run(run())


def pod(name: str, *, restarts: int = 0, ready: bool = True, uid: str = "", **state: Any) -> dict[str, Any]:
    status = {
        "name": "envoy", "ready": ready, "restartCount": restarts, "image": "envoy:1", "imageID": "sha256:1",
        "state": state.pop("state", {"running": {}}), "lastState": state.pop("last", {}),
    }  # fmt: skip
    return {
        "metadata": {"name": name, "namespace": "a-run", "uid": uid or f"uid-{name}"},
        "spec": {"nodeName": "proxy", "containers": [{"name": "envoy"}]},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.9",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [status],
        },
    }


def test_what_envoys_of_contour_count_has_the_names_of_seatrials_own() -> None:
    names = envoy_pods.of_contour("a-run", has_tls=False, is_gateway=False)

    async def page(_: str) -> str:
        return STATS.replace("http.http-10080.downstream_rq_total: 42\n", "")

    reading = asyncio.run(envoy_pods.reading(page, names, "an-incarnation"))
    assert (reading.requests, reading.upstream_requests) == (42, 42)
    assert (reading.connections_active, reading.connections_accepted, reading.upstream_connections) == (
        5,
        7,
        3,
    )
    assert reading.absent == {}
    assert reading.limits_met == {
        "cluster.upstream_rq_pending_overflow": 2, "listener.ingress.downstream_cx_overflow": 5,
    }  # fmt: skip


def test_updates_that_an_envoy_does_not_take_are_asked_for_and_counted_by_their_kind() -> None:
    names = envoy_pods.of_contour("a-run", has_tls=False, is_gateway=False)
    given = {
        "cluster_manager.cds.update_rejected": 3,
        "http.ingress_http.rds.ingress_http.update_rejected": 1,
        "listener_manager.lds.update_rejected": 0,
        "cluster_manager.cds.update_success": 9,
    }

    async def page(path: str) -> str:
        wanted = re.compile(unquote(path.partition("filter=")[2]))
        asked = {name: value for name, value in given.items() if wanted.search(name)}
        assert "cluster_manager.cds.update_success" not in asked
        return STATS + "".join(f"{name}: {value}\n" for name, value in asked.items())

    reading = asyncio.run(envoy_pods.reading(page, names, "an-incarnation"))
    assert reading.rejected is not None
    assert list(reading.rejected.values()) == [3, 1]


def test_what_was_not_taken_is_since_the_reading_before_and_not_known_where_one_does_not_count_it() -> None:
    def counters(*counts: dict[str, int] | None, incarnation: str = "a") -> Counters:
        readings = [Reading(incarnation, 0, 0, 0, 0, {}, rejected=count) for count in counts]
        return Counters(0.0, {f"envoy-{number}": one for number, one in enumerate(readings, 1)})

    before, after = counters({"cds": 2}, {}), counters({"cds": 5}, {"lds": 1})
    assert rejected(before, after) == (LimitMet("envoy-1", "cds", 3), LimitMet("envoy-2", "lds", 1))
    anew = counters({"cds": 5}, {}, incarnation="b")
    assert rejected(before, anew) == (LimitMet("envoy-1", "cds", 5),)
    assert rejected(before, counters({}, None)) is None
    assert rejected(before, before) == ()


def test_what_envoys_of_envoy_gateway_count_has_the_same_names() -> None:
    names = envoy_pods.of_envoy_gateway("a-run", has_tls=False)
    lines = [line for line in STATS.splitlines() if "ingress" not in line and "service-" not in line]
    values = envoy_pods.as_here(parse_stats("\n".join(lines)), names)
    assert (values["http.ingress.downstream_rq_total"], values["cluster.upstream_rq_total"]) == (42, 42)


def test_a_name_that_an_envoy_has_not_is_not_a_count_of_0() -> None:
    names = envoy_pods.of_contour("another", has_tls=False, is_gateway=False)

    async def page(_: str) -> str:
        return STATS

    reading = asyncio.run(envoy_pods.reading(page, names, "an-incarnation"))
    assert list(reading.absent) == ["upstream_requests"]


def test_what_traefik_counts() -> None:
    page = (
        'traefik_entrypoint_requests_total{code="200",entrypoint="ingress",method="GET",protocol="http"} 41\n'
        'traefik_entrypoint_requests_total{code="200",entrypoint="traefik",method="GET",protocol="http"} 9\n'
        'traefik_open_connections{entrypoint="ingress",protocol="TCP"} 6\n'
        'traefik_service_requests_total{code="200",method="GET",protocol="http",service="a-run-service-0"} 41\n'
    )
    reading = traefik.reading(page, "an-incarnation")
    assert (reading.requests, reading.upstream_requests, reading.connections_active) == (41, 41, 6)
    assert reading.connections_accepted is None


def answering(*lists: list[dict[str, Any]]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Answer each list of pods once, and the last for ever."""
    left = list(lists)

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"items": left.pop(0) if len(left) > 1 else left[0]})

    return answer


def test_proxies_are_waited_for_until_each_is_ready() -> None:
    async def work(api: FakeApi, client: Client) -> None:
        api.otherwise = answering([pod("b")], [pod("b"), pod("a", ready=False)], [pod("b"), pod("a")])
        proxies = Proxies(client, recipe_of(ContourOptions(proxies=2), SITE))
        await proxies.come_up()
        assert [proxy.name for proxy in proxies.all] == ["a", "b"]
        assert proxies.all[0].image == "sha256:1"

    played(work)


def test_a_proxy_that_cannot_come_up_is_said_with_the_reason() -> None:
    async def work(api: FakeApi, client: Client) -> None:
        waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
        api.otherwise = answering([pod("a", ready=False, state=waiting)])
        with pytest.raises(SystemFault) as raised:
            await Proxies(client, recipe_of(ContourOptions(), SITE)).come_up()
        assert str(raised.value) == "0 of 1 proxies of contour are ready"
        assert raised.value.cause == "a: envoy: ImagePullBackOff: no such image"

    played(work)


@pytest.mark.parametrize(
    ("later", "said"),
    [
        ([pod("a", restarts=1, last={"terminated": {"reason": "OOMKilled", "exitCode": 137}})], "memory"),
        ([], "a has gone"),
        ([pod("a", uid="another")], "a has gone"),
        ([EVICTED], "a has gone: The node was low on resource: memory."),
    ],
)
def test_a_proxy_that_was_restarted_or_has_gone_is_named(later: list[dict[str, Any]], said: str) -> None:
    async def work(api: FakeApi, client: Client) -> None:
        api.otherwise = answering([pod("a")], later)
        proxies = Proxies(client, recipe_of(ContourOptions(), SITE))
        await proxies.come_up()
        before = proxies.all[0].incarnation
        assert proxies.failure is None
        await proxies.look()
        assert said in str(proxies.failure)
        assert all(proxy.incarnation != before for proxy in proxies.all)

    played(work)


async def invalid(request: web.Request) -> web.StreamResponse:
    """Play an API server whose HTTPProxies say that they are invalid."""
    if request.path == "/apis/projectcontour.io/v1":
        kind = {"name": "httpproxies", "kind": "HTTPProxy", "namespaced": True, "verbs": ["get"]}
        return web.json_response({"resources": [kind]})
    error = {"type": "ServiceError", "message": "service not found"}
    said = {"currentStatus": "invalid", "conditions": [{"type": "Valid", "errors": [error]}]}
    return web.json_response({"metadata": {}, "spec": {}, "status": said})


@dataclass(frozen=True)
class Played:
    """Somebody who asks, and is answered as the test says: by pairs, those that are dead."""

    dead: tuple[Dead, ...]
    live_limit_s: float = 0.0
    asked: list[Question] = field(default_factory=list)

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        return Answer.of(self.dead)

    async def certificate(self, *_: Any) -> bytes | None:
        return None


PROXIES = tuple(Endpoint("10.0.0.9", port) for port in (8080, 8081))


def test_a_dead_route_is_named_with_the_proxy_and_what_its_object_says() -> None:
    topology = expand(TopologyPlan(routes=3), [Endpoint("10.0.0.1", 9000)] * 3)
    asker = Played((Dead(4, "answered 404 in place of 200", is_answered=False),))

    async def work(api: FakeApi, client: Client) -> None:
        api.otherwise = invalid
        system = Installed(recipe_of(ContourOptions(), SITE), Owned(client, "a-run", Unrecorded()))
        asking = Asking(200, asker, published=system, members=("envoy-a", "envoy-b"))
        with pytest.raises(SystemFault) as raised:
            await prove(topology, PROXIES, asking)
        assert "1 of 6 routes are dead: route-1 through envoy-b answered 404 in place of 200" in str(
            raised.value
        )
        assert raised.value.cause == "HTTPProxy a-run/route-1: invalid: service not found"
        assert raised.value.next_step == "kubectl -n a-run describe httpproxy; nothing was measured"

    played(work)
    assert asker.asked[0].asked == tuple(range(6))
    # Those that are left are asked for again.
    assert {question.asked for question in asker.asked[1:]} <= {(4,)}


def test_a_route_that_nobody_has_taken_says_so() -> None:
    assert "no controller has taken it" in next(said_of("HTTPRoute", {"status": {"parents": []}}))
    refused = {"type": "ResolvedRefs", "status": "False", "message": "no such service"}
    parents = [{"conditions": [{"type": "Accepted", "status": "True"}, refused]}]
    assert list(said_of("HTTPRoute", {"status": {"parents": parents}})) == [
        "not ResolvedRefs: no such service"
    ]
    backend = {"service": {"name": "service-0"}}
    ingress = {"spec": {"rules": [{"http": {"paths": [{"backend": backend}]}}]}}
    assert list(services_of("Ingress", ingress)) == ["service-0"]


def test_a_system_whose_name_does_not_resolve_is_refused(tmp_path: Path) -> None:
    async def work(_: FakeApi, client: Client) -> None:
        options = UrlOptions(url="http://no-such-name.invalid:8080")
        found = Found(options, SITE, Owned(client, "a-run", Unrecorded()))
        with pytest.raises(SystemFault, match=r"the name no-such-name\.invalid of contour does not resolve"):
            await found.start(Launch(tmp_path, tmp_path, NOWHERE, 1, ThisMachine(), "url"))

    played(work)


def test_a_system_at_an_address_is_taken_as_it_is_and_says_what_is_not_known(tmp_path: Path) -> None:
    async def work(api: FakeApi, client: Client) -> None:
        found = Found(UrlOptions(url="http://127.0.0.1:8080"), SITE, Owned(client, "a-run", Unrecorded()))
        launch = Launch(tmp_path, tmp_path, NOWHERE, 1, ThisMachine(), "url")
        assert await found.start(launch) == (Endpoint("127.0.0.1", 8080),)
        counters = await found.counters()
        assert (counters.requests, len(counters.missing)) == (None, 4)
        assert await found.settings() == ()
        await found.stop()
        assert api.asked == []

    played(work)
