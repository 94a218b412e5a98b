"""What becomes of a system's controller: read from its page and its log, judged, and named in every output."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from tests.support.fake_api import FakeApi, fake_client

from seatrial.analysis.control.controllers import controllers_in, controllers_text
from seatrial.analysis.control.drift import drifted, drifted_text
from seatrial.analysis.load.window import Window
from seatrial.observe.samples import SystemSample
from seatrial.plan.metrics import parse_objective
from seatrial.record.facts import TrialFacts
from seatrial.run.testbed import controllers as control
from seatrial.systems.installed.controllers import pods
from seatrial.systems.installed.controllers.log import panics_in
from seatrial.systems.installed.controllers.page import said_in
from seatrial.systems.installed.controllers.pods import Controllers
from seatrial.systems.installed.kinds import envoy_pods
from seatrial.systems.installed.kinds.choice import recipe_of
from seatrial.systems.installed.kinds.contour import ContourOptions
from seatrial.systems.installed.manifests.objects import Site
from seatrial.systems.running import ControllerUse, RunningConfiguration
from seatrial.systems.traefik import TraefikOptions

CONTOUR_PAGE = """
# HELP contour_dagrebuild_total Total number of times DAG has been rebuilt
contour_dagrebuild_total 13
contour_dagrebuild_seconds{quantile="0.5"} 0.000578427
contour_httpproxy_valid{namespace="a",vhost="change-0.example.com"} 1
contour_status_update_total{kind="HTTPProxy"} 1020
contour_status_update_success_total{kind="HTTPProxy"} 1019
contour_status_update_noop_total{kind="HTTPProxy"} 700
go_goroutines 214
go_memstats_heap_inuse_bytes 2.961408e+07
process_cpu_seconds_total 0.32
"""
GATEWAY_PAGE = """
status_update_total{kind="Gateway",status="no_action"} 3
status_update_total{kind="HTTPRoute",status="success"} 20
status_update_duration_seconds_count{kind="HTTPRoute"} 20
watchable_depth{message="httproute-status",runner="provider"} 4
workqueue_depth{controller="gatewayapi",name="gatewayapi",priority=""} 2
xds_snapshot_create_total{status="success"} 3
"""
CRASH = """time="2026-11-27T10:00:00Z" level=info msg="performing delayed update"
panic: runtime error: index out of range [5] with length 3

goroutine 118 [running]:
"""


def test_a_page_is_read_by_the_names_that_are_used_here() -> None:
    assert said_in(CONTOUR_PAGE) == {
        "rebuilds": 13.0,
        "status_updates": 319.0,
        "goroutines": 214.0,
        "heap_bytes": 29_614_080.0,
    }
    assert said_in(GATEWAY_PAGE) == {"status_updates": 20.0, "queue_depth": 6.0, "rebuilds": 3.0}
    assert said_in("") == {}


@pytest.mark.parametrize(
    ("log", "panics", "first"),
    [
        (CRASH, 1, "panic: runtime error: index out of range [5] with length 3"),
        ("fatal error: concurrent map writes\n", 1, "fatal error: concurrent map writes"),
        ("SIGSEGV: segmentation violation\nPC=0x47 m=0\n", 1, "SIGSEGV: segmentation violation"),
        ("2026/11/27 http: panic serving 10.0.0.1:1: EOF\n", 1, "2026/11/27 http: panic serving 10.0.0.1:1: EOF"),
        ('{"msg":"Observed a panic","panic":"x"}\n' * 2, 2, '{"msg":"Observed a panic","panic":"x"}'),
        # One that was reported, and raised again: Go says that it was recovered from before.
        ("E1127 Observed a panic: x\npanic: x [recovered, repanicked]\n", 1, "E1127 Observed a panic: x"),
        ("E1127 Observed a panic: x\npanic: y\n", 2, "E1127 Observed a panic: x"),
        ("level=info msg='do not panic: all is well'\nSIGTERM: bye\n", 0, ""),
    ],
)  # fmt: skip
def test_panics_are_counted_where_go_and_its_libraries_report_them(log: str, panics: int, first: str) -> None:
    assert panics_in(log) == (panics, first)


def pod(
    restarts: int, *, uid: str = "u", state: dict[str, Any] | None = None, last: Any = None
) -> dict[str, Any]:
    status = {
        "name": "contour",
        "restartCount": restarts,
        "state": state or {"running": {}},
        "lastState": last or {},
    }
    return {
        "metadata": {"name": "contour-1", "namespace": "here", "uid": uid},
        "spec": {"nodeName": "proxy"},
        "status": {"phase": "Running", "containerStatuses": [status]},
    }


def ended(message: str) -> dict[str, Any]:
    return {"terminated": {"exitCode": 2, "reason": "Error", "message": message}}


async def of_pods(
    *those: dict[str, Any], log: str = "", is_started_again: bool = False
) -> tuple[list[ControllerUse], FakeApi]:
    """Return what became of it between a look at the first pod and one at the last."""
    seen = iter(those)
    now = those[-1]["status"]["containerStatuses"][0]

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/log"):
            # As a kubelet does: of one that waits for its next start there is the log of its last life alone.
            waits = "running" not in now["state"] and not is_started_again
            is_of_crash = "previous" in request.query or waits
            return web.Response(text=log if is_of_crash else "level=info\n")
        if request.path.endswith("/metrics"):
            return web.Response(text=CONTOUR_PAGE)
        return web.json_response({"items": [next(seen)]})

    async with fake_client() as (api, client):
        api.otherwise = answer
        controllers = Controllers(client, recipe_of(ContourOptions(), Site("here", "contour")))
        bed = _System(controllers)
        before = await control.look(bed)  # type: ignore[arg-type]
        uses = await control.since(bed, before)  # type: ignore[arg-type]
        assert uses is not None
        return list(uses), api


class _System:
    """As much of an installed system as concerns its controller."""

    has_controllers = True

    def __init__(self, own: Controllers) -> None:
        self.own = own

    async def controllers(self, *, at_once: bool = False) -> Any:
        return await self.own.look(at_once=at_once)

    async def panics(self, since_utc: str) -> Any:
        return await self.own.panics(since_utc)


def test_one_that_lives_on_has_neither_restarts_nor_panics() -> None:
    (use,), api = asyncio.run(of_pods(pod(1), pod(1)))
    assert (use.member, use.restarts, use.why, use.panics, use.panic) == ("contour-1", 0, "", 0, "")
    assert use.grown("status_updates") == 0.0
    asked = [query for (_, path), query in zip(api.asked, api.queries, strict=True) if path.endswith("/log")]
    assert all(query["sinceTime"].startswith("20") for query in asked)
    assert {query["labelSelector"] for query in api.queries if "labelSelector" in query} == {
        "app.kubernetes.io/name=contour,app.kubernetes.io/instance=contour"
    }


@pytest.mark.parametrize(
    "now",
    [
        pod(1, last=ended("panic: index out of range")),
        # Not started again yet.
        pod(0, state=ended("panic: index out of range")),
    ],
)
def test_one_that_crashed_is_counted_with_its_last_words(now: dict[str, Any]) -> None:
    (use,), _ = asyncio.run(of_pods(pod(0), now, log=CRASH))
    assert (use.restarts, use.why) == (1, "contour: ended with exit status 2: panic: index out of range")
    # What it wrote before it was started anew is a log of its own.
    assert (use.panics, use.panic) == (1, "panic: runtime error: index out of range [5] with length 3")
    assert use.grown("status_updates") is None


def test_one_that_waits_for_its_next_start_has_ended_once_more() -> None:
    waits = pod(3, state={"waiting": {"reason": "CrashLoopBackOff"}}, last=ended("panic: x"))
    (use,), api = asyncio.run(of_pods(pod(1), waits, log=CRASH))
    # Both questions are answered with one log.
    assert (use.restarts, use.panics) == (3, 1)
    assert [query for query in api.queries if "previous" in query]


@pytest.mark.parametrize("restarts", [0, 3])
def test_one_that_was_started_again_since_it_was_looked_at_has_crashed_all_the_same(restarts: int) -> None:
    waits = pod(restarts, state=ended("panic: x"), last=ended("panic: x"))
    (use,), _ = asyncio.run(of_pods(pod(0), waits, log=CRASH, is_started_again=True))
    assert use.panics == 1


def named(name: str) -> dict[str, Any]:
    other = pod(0, uid=name)
    other["metadata"]["name"] = name
    return other


def test_of_one_that_has_gone_by_itself_an_end_is_counted_and_its_successor_begins_from_nothing() -> None:
    (old, new), _ = asyncio.run(of_pods(pod(4), named("contour-2")))
    assert (old.member, old.restarts, old.why) == ("contour-1", 1, "its pod has gone")
    assert (new.member, new.restarts, new.before) == ("contour-2", 0, {})


def test_one_that_was_evicted_says_why() -> None:
    evicted = pod(0)
    evicted["status"] |= {"phase": "Failed", "reason": "Evicted", "message": "the node was low on memory"}
    (use,), _ = asyncio.run(of_pods(pod(0), evicted))
    assert (use.restarts, use.why) == (1, "the node was low on memory")


def test_one_that_was_put_down_has_not_ended_by_itself_and_what_it_logged_counts() -> None:
    async def uses() -> list[ControllerUse]:
        seen = iter([pod(0), named("contour-2")])

        async def answer(request: web.Request) -> web.StreamResponse:
            if request.path.endswith("/log"):
                return web.Response(text=CRASH if "contour-1" in request.path else "")
            if request.path.endswith("/metrics"):
                return web.Response(text=CONTOUR_PAGE)
            return web.json_response({"items": [next(seen)]})

        async with fake_client() as (api, client):
            api.otherwise = answer
            bed = _System(Controllers(client, recipe_of(ContourOptions(), Site("here", "contour"))))
            before = await control.look(bed)  # type: ignore[arg-type]
            await bed.own.put_down()
            return list(await control.since(bed, before) or ())  # type: ignore[arg-type]

    old, new = asyncio.run(uses())
    assert (old.member, old.restarts, old.panics, old.after) == ("contour-1", 0, 1, {})
    assert (new.member, new.restarts, new.panics) == ("contour-2", 0, 0)


def test_a_log_that_is_longer_than_what_is_read_of_it_says_nothing_of_panics(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pods, "LOG_LIMIT_BYTES", 10)
    (use,), _ = asyncio.run(of_pods(pod(0), pod(0)))
    assert use.panics is None


def test_where_nobody_answers_nothing_is_said_of_a_controller_that_there_is() -> None:
    async def uses() -> Any:
        async with fake_client() as (_, client):
            bed = _System(Controllers(client, recipe_of(ContourOptions(), Site("here", "contour"))))
            return await control.since(bed, await control.look(bed))  # type: ignore[arg-type]

    assert asyncio.run(uses()) == ()


def test_members_are_asked_until_they_were_given_the_same() -> None:
    answers = iter([["a", "b"], ["a", "b"], ["b", "b"]])

    class Changing:
        async def configuration(self) -> Any:
            return {f"envoy-{number}": {"given": one} for number, one in enumerate(next(answers))}

    found = asyncio.run(control.configurations(Changing()))  # type: ignore[arg-type]
    assert {one["given"] for one in found.values()} == {"b"}


def test_what_is_its_own_controller_has_none_beside_it() -> None:
    async def look() -> int:
        async with fake_client() as (api, client):
            controllers = Controllers(client, recipe_of(TraefikOptions(), Site("here", "traefik")))
            assert await controllers.look(at_once=True) == {}
            return len(api.asked)

    assert asyncio.run(look()) == 0


def use_of(restarts: int = 0, panics: int | None = 0, **said: tuple[float, float]) -> ControllerUse:
    before, after = ({name: both[turn] for name, both in said.items()} for turn in (0, 1))
    why = "contour: ended with exit status 2: panic: x\ngoroutine 1" if restarts else ""
    return ControllerUse("contour-1", restarts, why, panics, "panic: x" if panics else "", before, after)


def sample(at_s: float, *, role: Any = "controller", incarnation: str = "a", **values: float) -> SystemSample:
    return SystemSample(at_s, "contour", "contour-1", incarnation, values, role)


def test_figures_are_those_of_its_own_looks_and_growth_has_its_interval() -> None:
    second = 1_000_000_000
    window = Window(0, 100 * second)
    # 1 MB more each 10 s, but for two looks beside the line.
    heap = [10.0e6 + 1e6 * turn for turn in range(10)]
    heap[3], heap[6] = heap[3] + 1e5, heap[6] - 1e5
    samples = [
        *(sample(5 + 10 * turn, heap_bytes=size, goroutines=100 + turn, queue_depth=turn % 4)
          for turn, size in enumerate(heap)),
        sample(50, role="system", heap_bytes=1e12),
        sample(400, heap_bytes=5e6, goroutines=999),
    ]  # fmt: skip
    (found,) = (
        controllers_in(
            (use_of(status_updates=(20, 520), goroutines=(90, 95), rebuilds=(3, 13)),), samples, (), window
        )
        or ()
    )
    assert (found.status_updates, found.status_updates_per_change, found.rebuilds) == (500, None, 10)
    assert (found.goroutines_before, found.goroutines_max, found.goroutines_after) == (90, 999, 95)
    assert (found.heap_bytes_max, found.queue_depth_max) == (19e6, 3)
    assert found.heap_growth is not None
    assert found.heap_growth.low < 1e5 < found.heap_growth.high
    assert found.heap_growth.per_unit == pytest.approx(1e5, rel=0.02)
    # Of two lives there is no one line, and through too few looks none.
    two = [sample(5 + 10 * turn, incarnation=str(turn > 4), heap_bytes=1e6) for turn in range(10)]
    silent = [sample(96 + turn, goroutines=1) for turn in range(4)]
    for few in (two, samples[:4], [*samples[:4], *silent]):
        assert (controllers_in((use_of(),), few, (), window) or ())[0].heap_growth is None
    assert controllers_in(None, samples, (), window) is None


def test_a_crash_is_named_whatever_was_asked() -> None:
    facts = [TrialFacts(controllers=(use_of(),)), TrialFacts(controllers=(use_of(2, 2),)), TrialFacts()]
    assert controllers_text(facts) == (
        "its controller contour-1 ended and was started again 2 times "
        "(contour: ended with exit status 2: panic: x ...), and logged 2 panics, the first: panic: x"
    )
    assert controllers_text([facts[0], facts[2]]) is None
    assert parse_objective("restarts == 0").metric == "restarts"
    assert parse_objective("controller_memory < 1 GiB").threshold == 1 << 30


def given(**digests: str | None) -> TrialFacts:
    return TrialFacts(
        configurations=tuple(
            RunningConfiguration(name, None, None if one is None else {"given": one})
            for name, one in digests.items()
        )
    )


def test_proxies_that_were_given_something_else_are_named() -> None:
    alike, other = given(one="a", two="a", three="a"), given(one="a", two="b", three="a", four=None)
    # Nobody knows which of two is the right one.
    assert drifted(given(one="a", two="b")) == ("one", "two")
    assert (drifted(alike), drifted(other), drifted(TrialFacts())) == ((), ("two",), None)
    assert drifted_text([alike]) is None
    assert drifted_text([alike, other]) == (
        "after the load its proxies did not all have the same configuration: two differ"
    )


def test_what_an_envoy_was_given_has_no_order_and_no_version() -> None:
    first = {"name": "a", "version_info": "1", "last_updated": "now"}
    second = {"name": "b", "version_info": "1"}

    def digest_of(*clusters: dict[str, str], static: str = "x") -> str:
        dump = {"configs": [{"bootstrap": static}, {"dynamic_active_clusters": list(clusters)}]}
        pages = {"/config_dump": dump, "/server_info": {"command_line_options": {}}}

        async def get(path: str) -> str:
            return json.dumps(pages[path])

        return asyncio.run(envoy_pods.configuration(get))["given"]

    same = {
        digest_of(first, second),
        digest_of({**second, "version_info": "9"}, first),
        digest_of(first, second, static="another pod"),
    }
    assert len(same) == 1
    assert digest_of(first) not in same
    assert digest_of(first, {**second, "name": "c"}) not in same
