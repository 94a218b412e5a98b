"""The client of an API server, on its bad days: what is made again, what is not, and what is said."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.support.fake_api import FakeApi, breaks, fake_client, refuses, says, streams

from seatrial.cluster import faults
from seatrial.cluster.client import Client
from seatrial.cluster.connection.credentials import Credentials
from seatrial.cluster.connection.lines import Lines
from seatrial.errors import ClusterFault

OK = {"kind": "Thing"}
PATH = "/api/v1/things"


def played(work: Callable[[FakeApi, Client], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with fake_client() as (api, client):
            return await work(api, client)

    return asyncio.run(run())


def fault_of(work: Callable[[FakeApi, Client], Awaitable[Any]]) -> ClusterFault:
    with pytest.raises(ClusterFault) as raised:
        played(work)
    return raised.value


def test_an_answer_has_its_times_and_its_body() -> None:
    async def work(api: FakeApi, client: Client) -> None:
        api.then(says(OK, 201))
        before_s = time.monotonic()
        answer = await client.post(PATH, {"a": 1})
        assert (answer.body, answer.status, answer.attempts) == (OK, 201, 1)
        assert before_s <= answer.sent_s <= answer.answered_s <= time.monotonic()
        assert client.counts.text == ""

    played(work)


def test_a_429_is_waited_for_as_long_as_it_says_whatever_was_asked_and_is_counted_by_priority_level() -> None:
    async def work(api: FakeApi, client: Client) -> None:
        level = {"X_Kubernetes_PF_PriorityLevel_UID": "level-1"}
        api.then(
            refuses(429, "TooManyRequests", Retry_After="1", **level), refuses(429, Retry_After="0"), says(OK)
        )
        started_s = time.monotonic()
        answer = await client.post(PATH, {})
        assert answer.attempts == 3
        assert time.monotonic() - started_s >= 1
        assert answer.sent_s - started_s >= 1
        # The second came of something else: it names no level.
        assert (client.counts.retries, client.counts.rejections) == ({"429": 2}, {"level-1": 1})
        assert "2 of the calls to the API server were made again (2 x 429)" in client.counts.text
        assert "1 were turned away by its priority and fairness" in client.counts.text

    played(work)


def test_a_429_that_asks_to_wait_longer_than_there_is_time_is_said_at_once() -> None:
    async def work(api: FakeApi, client: Client) -> None:
        api.then(refuses(429, "TooManyRequests", "too many", Retry_After="60"))
        await client.get(PATH, limit_s=2)

    started_s = time.monotonic()
    fault = fault_of(work)
    assert time.monotonic() - started_s < 2
    assert (fault.status, fault.cause) == (429, "it is asked for more than it takes: too many")


@pytest.mark.parametrize("method", ["get", "delete", "apply", "merge", "again"])
def test_what_can_be_done_twice_is_made_again_when_the_connection_breaks(method: str) -> None:
    async def work(api: FakeApi, client: Client) -> None:
        api.then(says(OK), breaks, says(OK))
        await client.get(PATH)
        answer = await {
            "get": lambda: client.get(PATH),
            "delete": lambda: client.delete(PATH),
            "apply": lambda: client.patch(PATH, {}, "apply"),
            "merge": lambda: client.patch(PATH, {}, "merge"),
            "again": lambda: client.post(PATH, {}, again=True),
        }[method]()
        assert answer.body == OK
        assert len(api.asked) == 3

    played(work)


@pytest.mark.parametrize("method", ["post", "json"])
def test_what_cannot_be_done_twice_is_not_and_whether_it_was_done_is_said_to_be_unknown(method: str) -> None:
    asked: list[object] = []

    async def work(api: FakeApi, client: Client) -> None:
        api.then(says(OK), breaks, says(OK))
        await client.get(PATH)
        try:
            await (client.post(PATH, {}) if method == "post" else client.patch(PATH, [], "json"))
        finally:
            asked.extend(api.asked)

    fault = fault_of(work)
    assert (fault.reason, fault.cause) == (faults.UNKNOWN_WHETHER_DONE, "whether it was done is not known")
    assert len(asked) == 2


def test_a_read_is_made_again_when_the_server_is_not_itself_and_a_creation_is_not() -> None:
    async def work(api: FakeApi, client: Client) -> None:
        api.then(refuses(500), refuses(503), says(OK), refuses(503, "ServiceUnavailable", "starting"))
        assert (await client.get(PATH)).attempts == 3
        assert client.counts.retries == {"500": 1, "503": 1}
        await client.post(PATH, {})

    fault = fault_of(work)
    assert fault.what == f"cannot POST {PATH}: the API server answers 503 ServiceUnavailable"
    assert fault.cause == "starting"
    assert fault.next_step is not None
    assert "readyz" in fault.next_step


def test_credentials_are_renewed_once_where_they_are_not_known_any_more() -> None:
    async def work(api: FakeApi, client: Client) -> None:
        api.then(refuses(401, "Unauthorized"), says(OK))
        api.credentials = [Credentials(api.url, "Bearer second")]
        assert (await client.post(PATH, {})).body == OK
        assert api.tokens == ["Bearer first", "Bearer second"]
        api.then(refuses(401, "Unauthorized", "Unauthorized"), refuses(401, "Unauthorized", "Unauthorized"))
        api.credentials = [Credentials(api.url, "Bearer third")]
        await client.post(PATH, {})

    fault = fault_of(work)
    assert fault.status == 401
    assert "it does not know who asks" in (fault.cause or "")
    assert "whoami" in (fault.next_step or "")


def test_credentials_are_renewed_before_they_expire() -> None:
    async def work(api: FakeApi, client: Client) -> None:
        client.session.credentials = Credentials(api.url, "Bearer old", renew_at_s=time.monotonic())
        api.credentials = [Credentials(api.url, "Bearer new")]
        api.then(says(OK), says(OK))
        await asyncio.gather(client.get(PATH), client.get(PATH))
        assert api.tokens == ["Bearer new", "Bearer new"]

    played(work)


def test_who_lacks_a_right_is_sent_to_the_check() -> None:
    async def work(api: FakeApi, client: Client) -> None:
        api.then(refuses(403, "Forbidden", 'User "x" cannot list resource "things"'))
        await client.get(PATH)

    fault = fault_of(work)
    assert fault.cause == 'User "x" cannot list resource "things"'
    assert "seatrial check --on kubernetes" in (fault.next_step or "")


def test_nobody_listens_is_said_at_once_and_waited_for_only_where_somebody_did_before() -> None:
    async def away(api: FakeApi, client: Client) -> None:
        client.session.credentials = Credentials("http://127.0.0.1:1")
        await client.get(PATH)

    started_s = time.monotonic()
    fault = fault_of(away)
    assert time.monotonic() - started_s < 5
    assert fault.what == "the API server http://127.0.0.1:1 cannot be reached"
    assert fault.cause == "it refuses connections"

    async def comes_back(api: FakeApi, client: Client) -> None:
        api.then(says(OK), says(OK))
        await client.get(PATH)
        client.session.credentials = Credentials("http://127.0.0.1:1")
        call = asyncio.create_task(client.post(PATH, {}))
        await asyncio.sleep(0.3)
        client.session.credentials = Credentials(api.url)
        assert (await call).attempts > 1
        assert client.counts.retries["refused"] >= 1

    played(comes_back)


def test_no_answer_in_time_is_said_with_the_time() -> None:
    async def work(api: FakeApi, client: Client) -> None:
        api.then(streams(5.0))
        await client.get(PATH, limit_s=0.3, asked="read something")

    assert fault_of(work).what == "cannot read something: no answer within 0.3 s"


def test_what_was_sent_is_in_no_message() -> None:
    async def work(api: FakeApi, client: Client) -> None:
        api.then(refuses(422, "Invalid", "the server says why"))
        await client.post(PATH, {"data": {"password": "hidden"}})

    fault = fault_of(work)
    assert "hidden" not in "".join([fault.what, fault.cause or "", fault.next_step or "", *fault.__notes__])
    assert "first" not in repr(Credentials("https://a", "Bearer first", proxy="http://user:first@proxy"))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1 << 20])
def test_lines_are_whole_however_they_come(size: int) -> None:
    text = b"one\n\nthree is longer\r\n" + b"x" * 100_000 + b"\nrest"

    async def read() -> tuple[list[bytes], bytes]:
        async def chunks() -> Any:
            for start in range(0, len(text), size):
                yield text[start : start + size]

        lines = Lines(chunks())
        return [line async for line in lines], lines.rest

    assert asyncio.run(read()) == (text.split(b"\n")[:-1], b"rest")
