"""What the gate reads from a call, keeps of it, and has befall it; and an API server on its bad days behind it."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from tests.support.fake_api import FakeApi, breaks, fake_client, refuses, says, streams
from yarl import URL

from seatrial.cluster.asked import Asked, read_asked
from seatrial.cluster.connection.credentials import Credentials
from seatrial.faults.fault import read_fault, read_words
from seatrial.gate.calls import OTHERS, Calls
from seatrial.gate.fault import GateFault
from seatrial.gate.gate import Gate
from seatrial.live.serve import Listening, serving
from seatrial.machine.address import Address

SLICES = ("endpointslices", "discovery.k8s.io")


@pytest.mark.parametrize(
    ("method", "target", "asked"),
    [
        ("GET", "/api/v1/services", Asked("list", "services")),
        ("GET", "/api/v1/namespaces/a/services?limit=5", Asked("list", "services", "", "a")),
        ("GET", "/api/v1/namespaces/a/services/b", Asked("get", "services", "", "a", "b")),
        ("HEAD", "/api/v1/namespaces/a/services/b", Asked("get", "services", "", "a", "b")),
        ("GET", "/api/v1/namespaces/a/services?watch=true", Asked("watch", "services", "", "a")),
        ("GET", "/api/v1/services?watch=1&resourceVersion=5", Asked("watch", "services")),
        ("GET", "/api/v1/services?watch=false", Asked("list", "services")),
        ("GET", "/api/v1/services?watch=0", Asked("list", "services")),
        ("GET", "/api/v1/watch/namespaces/a/services", Asked("watch", "services", "", "a")),
        (
            "GET",
            "/api/v1/namespaces/a/services?fieldSelector=metadata.name%3Db&watch=true",
            Asked("watch", "services", "", "a", "b"),
        ),
        ("POST", "/api/v1/namespaces/a/services?fieldManager=x", Asked("create", "services", "", "a")),
        ("PUT", "/api/v1/namespaces/a/services/b", Asked("update", "services", "", "a", "b")),
        ("PATCH", "/api/v1/namespaces/a/services/b/status", Asked("patch", "services/status", "", "a", "b")),
        ("DELETE", "/api/v1/namespaces/a/services/b", Asked("delete", "services", "", "a", "b")),
        ("DELETE", "/api/v1/namespaces/a/services", Asked("deletecollection", "services", "", "a")),
        ("GET", "/api/v1/namespaces", Asked("list", "namespaces")),
        ("GET", "/api/v1/namespaces/a", Asked("get", "namespaces", "", "a", "a")),
        ("PUT", "/api/v1/namespaces/a/finalize", Asked("update", "namespaces/finalize", "", "a", "a")),
        ("PATCH", "/api/v1/namespaces/a/status", Asked("patch", "namespaces/status", "", "a", "a")),
        ("POST", "/api/v1/namespaces/a/pods/b/binding", Asked("create", "pods/binding", "", "a", "b")),
        ("GET", "/api/v1/namespaces/a/services/b/proxy/x/y", Asked("get", "services/proxy", "", "a", "b")),
        ("GET", "/apis/discovery.k8s.io/v1/endpointslices", Asked("list", *SLICES)),
        (
            "PATCH",
            "/apis/discovery.k8s.io/v1/namespaces/a/endpointslices/b%2Dc",
            Asked("patch", *SLICES, "a", "b-c"),
        ),
        ("GET", "/healthz", Asked("get", "/healthz")),
        ("GET", "/readyz/etcd?verbose", Asked("get", "/readyz/etcd")),
        ("GET", "/openapi/v3/apis/apps/v1?hash=1", Asked("get", "/openapi/v3/apis/apps/v1")),
        ("GET", "/api", Asked("get", "/api")),
        ("GET", "/api/v1", Asked("get", "/api/v1")),
        ("GET", "/apis/apps/v1", Asked("get", "/apis/apps/v1")),
        ("POST", "/", Asked("post", "/")),
    ],
)
def test_verb_and_resource_are_those_of_the_api_server(method: str, target: str, asked: Asked) -> None:
    assert read_asked(method, target) == asked


def test_the_last_calls_are_kept_in_order_of_their_ends_and_the_dropped_are_counted() -> None:
    calls = Calls(kept_limit=5)
    asked = Asked("create", "services")
    begun = [calls.begin(asked, "POST", "agent") for _ in range(8)]
    watch = calls.begin(Asked("watch", "services"), "GET", "agent")
    assert (calls.most_at_once, calls.document()["calls_under_way"]) == (8, 8)
    assert calls.document()["watches_under_way"] == 1
    for number, call in enumerate(reversed(begun)):
        call.status, call.bytes = 201, number
        calls.end(call)
    assert calls.dropped == 3
    assert [row[0] for row in calls.after(0, 2)] == [4, 5]
    assert [(row[0], row[-1]) for row in calls.after(6, 10)] == [(7, 6), (8, 7)]
    assert list(calls.after(8, 10)) == []
    calls.end(watch)
    document = calls.document()
    assert (document["calls_under_way"], document["watches_under_way"], document["under_way"]) == (0, 0, [])
    assert document["counts"][0] == {"verb": "create", "resource": "services", "status": 201, "count": 8}


def test_a_client_that_asks_for_every_path_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.gate.calls.KINDS_LIMIT", 3)
    calls = Calls()
    for number in range(6):
        calls.end(calls.begin(Asked("get", f"/{number}"), "GET", ""))
    calls.end(calls.begin(Asked("get", "/0"), "GET", ""))
    counts = {
        (one["verb"], one["resource"], one["status"]): one["count"] for one in calls.document()["counts"]
    }
    assert counts == {("get", "/0", 0): 2, ("get", "/1", 0): 1, ("get", "/2", 0): 1, OTHERS: 3}


@pytest.mark.parametrize(
    ("words", "is_about"),
    [
        ("reset", True),
        ("reset verb=patch resource=services namespace=a", True),
        ("reset verb=create", False),
        ("reset resource=endpoint*", False),
        ("reset namespace=b", False),
        ("status status=409 after=yes", True),
    ],
)
def test_a_fault_is_about_the_calls_that_it_names(words: str, is_about: bool) -> None:
    fault = read_words(GateFault, words)
    assert fault.is_about(Asked("patch", "services", "", "a", "b")) == is_about
    assert (
        read_fault(GateFault, {"kind": "reset", "after": True}).is_about(Asked("watch", "services")) is False
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("page", "no fault: latency, status, reset, timeout"),
        ("reset verb=post", "verb"),
        ("reset verb=watch after=yes", "a watch is none"),
        ("reset path=/api", "path"),
        ("reset after=maybe", "after"),
        ("status", "has a `status`"),
    ],
)
def test_words_that_are_no_fault_of_the_gate_are_refused(words: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_words(GateFault, words)


def through(work: Callable[[FakeApi, Gate, aiohttp.ClientSession, str], Awaitable[None]]) -> None:
    """Do something with a gate before an API server of the test."""

    async def run() -> None:
        async with AsyncExitStack() as stack:
            api, client = await stack.enter_async_context(fake_client())
            gate = Gate(client.session, seed=1)
            (port,) = await stack.enter_async_context(
                serving([Listening(gate.server, Address("127.0.0.1", 0))])
            )
            http = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
            await work(api, gate, http, f"http://127.0.0.1:{port}/{gate.secret}")

    asyncio.run(run())


def test_credentials_that_are_not_good_any_more_are_renewed_and_the_client_does_not_see_it() -> None:
    async def work(api: FakeApi, gate: Gate, http: aiohttp.ClientSession, url: str) -> None:
        api.then(refuses(401, "Unauthorized"), says({"is": "done"}, 201), says({}, 401), says({}, 401))
        api.credentials.extend(Credentials(api.url, f"Bearer {name}") for name in ("second", "third"))
        headers = {"Authorization": "Bearer of-the-client"}
        async with http.post(f"{url}/api/v1/things", json={"a": 1}, headers=headers) as answer:
            assert (answer.status, await answer.json()) == (201, {"is": "done"})
        # Those that are not known after they were renewed are somebody else's to look after.
        async with http.get(f"{url}/api/v1/things") as answer:
            assert answer.status == 401
        assert api.tokens == ["Bearer first", "Bearer second", "Bearer second", "Bearer third"]
        assert [(row[9], row[13]) for row in gate.calls.after(0, 9)] == [(201, 201), (401, 401)]

    through(work)


def test_what_is_about_one_connection_stays_there_and_all_else_is_passed_on() -> None:
    got: dict[str, Any] = {}

    async def answer(request: Any) -> Any:
        got.update(request.headers)
        got["body"] = await request.read()
        got["target"] = request.raw_path
        return await says({}, 429, Retry_After="7", X_Other="b", Keep_Alive="timeout=1")(request)

    async def work(api: FakeApi, gate: Gate, http: aiohttp.ClientSession, url: str) -> None:
        api.then(answer)
        headers = {
            "User-Agent": "somebody/1.0", "Accept": "application/vnd.kubernetes.protobuf", "X-Mine": "yes",
            "Connection": "X-Hop, keep-alive", "X-Hop": "no", "TE": "trailers", "Expect": "100-continue",
            "Content-Encoding": "gzip",
        }  # fmt: skip
        target = "/api/v1/namespaces/a%2Fb/things?labelSelector=a%20in%20(b,c)&x=+"
        whole = random.Random(1).randbytes(300_000)
        packed = gzip.compress(whole)
        assert len(packed) > 4 * 70_000

        async def body() -> Any:
            for at in range(0, len(packed), 70_000):
                yield packed[at : at + 70_000]

        own = {"Accept-Encoding", "Content-Type"}
        async with http.put(
            URL(url + target, encoded=True), data=body(), headers=headers, skip_auto_headers=own
        ) as answered:
            assert (answered.status, answered.headers["Retry-After"], answered.headers["X-Other"]) == (
                429,
                "7",
                "b",
            )
            assert "Keep-Alive" not in answered.headers
        assert got["target"] == target
        # The server unpacks it, which it can where it is what its head says.
        assert got["body"] == whole
        assert {name: got[name] for name in ("User-Agent", "Accept", "X-Mine")} == {
            name: headers[name] for name in ("User-Agent", "Accept", "X-Mine")
        }
        assert not {"X-Hop", "TE", "Expect", "Accept-Encoding", "Content-Type"} & got.keys()
        assert next(gate.calls.after(0, 1))[10] == "somebody/1.0"

    through(work)


def test_an_answer_that_breaks_off_does_not_pass_for_a_whole_one_and_what_came_of_it_arrives() -> None:
    async def work(api: FakeApi, gate: Gate, http: aiohttp.ClientSession, url: str) -> None:
        api.then(streams(b"one\n", 0.02, b"two\n", then_breaks=True), breaks, says({}))
        came = b""
        async with http.get(f"{url}/api/v1/things?watch=true") as answer:
            while b"two" not in came:
                came += await answer.content.readany()
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.content.readany()
        assert came == b"one\ntwo\n"
        async with http.post(f"{url}/api/v1/things", data=b"{}") as answer:
            document = await answer.json()
            assert (answer.status, document["kind"], document["code"]) == (502, "Status", 502)
            assert "the connection broke" in document["message"]
        async with http.get(f"{url}/api/v1/things") as answer:
            assert answer.status == 200
        assert [(row[4], row[9], row[13]) for row in gate.calls.after(0, 9)] == [
            ("watch", 200, 200), ("create", 502, 0), ("list", 200, 200),
        ]  # fmt: skip

    through(work)


def test_nobody_gets_through_without_the_secret_and_the_gate_says_no_with_an_object() -> None:
    async def work(api: FakeApi, gate: Gate, http: aiohttp.ClientSession, url: str) -> None:
        base = url.rpartition("/")[0]
        api.otherwise = says({})
        for wrong in (f"{base}/version", f"{url}x/version", f"{base}/x{gate.secret}/version", url):
            async with http.get(wrong, headers={"Authorization": f"Bearer {gate.secret[:-1]}"}) as answer:
                assert (answer.status, (await answer.json())["reason"]) == (401, "Unauthorized"), wrong
        assert api.asked == []
        assert gate.calls.ended == 0
        async with http.get(f"{base}/version", headers={"Authorization": f"Bearer {gate.secret}"}) as answer:
            assert answer.status == 200
        async with http.get(f"{url}/x", headers={"Connection": "Upgrade", "Upgrade": "websocket"}) as answer:
            assert answer.status == 501
            assert "exec" in json.loads(await answer.read())["message"]
        assert api.asked == [("GET", "/version")]

    through(work)


def test_an_api_server_that_is_not_there_is_a_status_and_no_hang() -> None:
    async def work(_: FakeApi, gate: Gate, http: aiohttp.ClientSession, url: str) -> None:
        session = gate.session
        session.credentials = replace(session.credentials, server="http://127.0.0.1:1")
        async with http.get(f"{url}/api/v1/things") as answer:
            document = await answer.json()
            assert (answer.status, document["reason"]) == (503, "ServiceUnavailable")
            assert "refuses connections" in document["message"]

    through(work)
