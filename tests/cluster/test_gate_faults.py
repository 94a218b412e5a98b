"""What goes wrong at the gate on demand, as a client meets it, and what becomes of the objects meanwhile."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from tests.support.api_server import ApiServer, config_map
from tests.support.gate import RunningGate, running_gate
from tests.support.program import wait_until

from seatrial.cluster.access import open_cluster
from seatrial.cluster.connection.kubeconfig import Where

pytestmark = pytest.mark.cluster

LIMIT_S = 30.0
MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture(scope="module")
def running(audited: ApiServer) -> Iterator[RunningGate]:
    with running_gate(audited) as gate:
        yield gate


@pytest.fixture
def gate(running: RunningGate) -> Iterator[RunningGate]:
    yield running
    running.lift()


def made(gate: RunningGate, name: str, limit_s: float = LIMIT_S) -> Any:
    """Create an object through the gate; return status, headers and document, or the error."""

    async def go() -> Any:
        timeout = aiohttp.ClientTimeout(limit_s)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            try:
                async with http.post(f"{gate.server}{MAPS}", json=config_map(name)) as answer:
                    return answer.status, answer.headers, await answer.json()
            except (aiohttp.ClientError, TimeoutError) as error:
                return error

    return asyncio.run(go())


def is_there(server: ApiServer, name: str) -> bool:
    """Ask the API server itself."""

    async def go() -> bool:
        async with open_cluster(Where(str(server.kubeconfig))) as client:
            names = [one["metadata"]["name"] for one in (await client.get(MAPS)).body["items"]]
            return name in names

    return asyncio.run(go())


def new_name() -> str:
    return f"f{uuid.uuid4().hex[:8]}"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (404, "NotFound"), (409, "Conflict"), (429, "TooManyRequests"), (500, "InternalError"),
        (503, "ServiceUnavailable"),
    ],
)  # fmt: skip
def test_a_status_is_an_object_that_clients_read_and_the_call_is_done_or_not(
    audited: ApiServer, gate: RunningGate, status: int, reason: str, after: bool
) -> None:
    name = new_name()
    gate.plant(
        kind="status", status=status, retry_after="1500 ms", count=1, verb="create", resource="configmaps", after=after
    )  # fmt: skip
    got, headers, document = made(gate, name)
    assert (got, headers["Retry-After"]) == (status, "2")
    assert document["details"] == {"kind": "configmaps", "retryAfterSeconds": 2}
    assert (document["kind"], document["status"], document["reason"], document["code"]) == (
        "Status", "Failure", reason, status,
    )  # fmt: skip
    assert is_there(audited, name) == after
    row = gate.calls()[-1]
    assert (row["status"], row["fault"], row["upstream_status"]) == (status, "status", 201 if after else 0)
    # It was for one call.
    assert made(gate, name)[0] == (409 if after else 201)
    assert gate.calls()[-1]["fault"] is None


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kind", ["reset", "timeout"])
def test_no_answer_comes_whether_the_call_was_done_or_not(
    audited: ApiServer, gate: RunningGate, kind: str, after: bool
) -> None:
    name = new_name()
    gate.plant(kind=kind, after=after, count=1)
    error = made(gate, name, limit_s=LIMIT_S if kind == "reset" else 1.0)
    assert isinstance(error, ConnectionResetError if kind == "reset" else TimeoutError) or (
        kind == "reset" and "reset" in str(error).lower()
    ), error
    assert wait_until(lambda: not gate.state()["under_way"], LIMIT_S)
    assert is_there(audited, name) == after
    row = gate.calls()[-1]
    assert (row["status"], row["fault"], row["upstream_status"]) == (0, kind, 201 if after else 0)


def test_a_timeout_with_a_time_ends_the_connection_by_itself(gate: RunningGate) -> None:
    gate.plant(kind="timeout", time="200 ms", count=1)
    began_s = time.monotonic()
    assert isinstance(made(gate, new_name()), aiohttp.ClientError)
    assert 0.2 <= time.monotonic() - began_s < LIMIT_S


@pytest.mark.parametrize("after", [False, True])
def test_latencies_add_up_before_the_call_or_after_it(gate: RunningGate, after: bool) -> None:
    for _ in range(2):
        gate.plant(kind="latency", time="150 ms", resource="configmaps", after=after)
    began_s = time.monotonic()
    assert made(gate, new_name())[0] == 201
    assert time.monotonic() - began_s >= 0.3
    row = gate.calls()[-1]
    assert row["ended_ns"] - row["began_ns"] - row["upstream_ns"] >= 0.3e9
    assert (row["fault"], row["status"]) == ("latency", 201)


def test_only_what_is_named_is_befallen(gate: RunningGate) -> None:
    gate.plant(kind="status", status=500, verb="create", resource="secrets")
    gate.plant(kind="status", status=500, verb="create", namespace="kube-system")
    gate.plant(kind="status", status=500, verb="list")
    assert made(gate, new_name())[0] == 201
    assert set(gate.done().values()) == {0}


def test_our_client_waits_as_it_is_told_and_comes_through(gate: RunningGate) -> None:
    gate.plant(kind="status", status=429, retry_after="1 s", count=2, resource="configmaps")

    async def go() -> None:
        async with open_cluster(gate.where) as client:
            answer = await client.post(MAPS, config_map(new_name()))
            assert (answer.attempts, client.counts.retries["429"]) == (3, 2)

    asyncio.run(go())


@pytest.mark.parametrize(
    ("path", "body", "method", "status", "says"),
    [
        ("/faults", {"kind": "token"}, None, 400, "kind"),
        ("/faults", {"kind": "reset", "after": True, "verb": "watch"}, None, 400, "a watch is none"),
        ("/faults", [{"kind": "reset"}] * 101, None, 409, "100 faults"),
        ("/faults/77", None, "DELETE", 404, "no fault 77"),
        ("/calls?after=soon", None, None, 400, "no number"),
        ("/nothing", None, None, 404, "Not Found"),
    ],
)
def test_what_the_control_api_does_not_understand_it_says(
    gate: RunningGate, path: str, body: Any, method: str | None, status: int, says: str
) -> None:
    got, document = gate.asked(path, body, method)
    assert got == status
    assert says in document["error"]
    assert gate.done() == {}
