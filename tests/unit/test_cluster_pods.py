"""Pods: facts of their objects, logs that go on after a break, and lines that are sent in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from tests.support.fake_api import Answering, FakeApi, fake_client, refuses, says, streams

from seatrial.cluster.pods.facts import Trouble, facts_of
from seatrial.cluster.pods.log import LogFollower, LogLimits, LogLine, Resumed
from seatrial.cluster.pods.stdin import Stdin
from seatrial.errors import ClusterFault


def pod(state: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    containers = [{"name": "worker", "restartCount": 0, "state": state}] if state else []
    return {
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {}},
        "spec": {"nodeName": "node-1"},
        "status": {"phase": "Running", "containerStatuses": containers, **status},
    }


RUNNING = {"running": {"startedAt": "2026-11-26T20:00:00Z"}}
ENDED = {"terminated": {"exitCode": 0, "reason": "Completed"}}
UNSCHEDULABLE = {
    "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available",
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "troubles"),
    [
        (pod(RUNNING), []),
        (pod(ENDED, phase="Succeeded"), []),
        (
            pod(phase="Pending", conditions=[UNSCHEDULABLE]),
            [Trouble("unschedulable", "0/3 nodes are available")],
        ),
        (
            pod({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}}, phase="Pending"),
            [Trouble("image_pull", "ImagePullBackOff: Back-off", "worker")],
        ),
        (
            pod({"waiting": {"reason": "CreateContainerConfigError"}}),
            [Trouble("cannot_start", "CreateContainerConfigError", "worker")],
        ),
        (pod({"waiting": {"reason": "ContainerCreating"}}, phase="Pending"), []),
        (
            pod({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, phase="Failed"),
            [Trouble("oom_killed", "ended by the kernel: it took more memory than its limit", "worker")],
        ),
        (
            pod({"terminated": {"exitCode": 3, "reason": "Error", "message": "no spec"}}, phase="Failed"),
            [Trouble("crashed", "ended with exit status 3: no spec", "worker")],
        ),
        (
            pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory."),
            [Trouble("evicted", "The node was low on resource: memory.")],
        ),
        (
            pod(phase="Failed", conditions=[
                {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager", "message": "m"},
            ]),
            [Trouble("node_lost", "m")],
        ),
        (
            pod(phase="Failed", reason="DeadlineExceeded", message="too long"),
            [Trouble("failed", "DeadlineExceeded: too long")],
        ),
        (
            pod(containerStatuses=[
                {
                    "name": "worker", "restartCount": 2, "state": RUNNING,
                    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                },
            ]),
            [
                Trouble("oom_killed", "ended by the kernel: it took more memory than its limit", "worker"),
                Trouble("restarted", "started again 2 times", "worker"),
            ],
        ),
    ],
)  # fmt: skip
def test_what_has_befallen_a_pod_is_a_plain_fact(given: dict[str, Any], troubles: list[Trouble]) -> None:
    assert list(facts_of(given).troubles) == troubles


def test_the_facts_of_a_pod() -> None:
    given = pod(RUNNING, conditions=[{"type": "Ready", "status": "True"}], podIP="10.0.0.1")
    given["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] = "7"
    facts = facts_of(given)
    assert (facts.index, facts.node, facts.address, facts.is_ready) == (7, "node-1", "10.0.0.1", True)
    assert not facts.has_ended
    container = facts.container("worker")
    assert container is not None
    assert (container.state, container.started_at) == ("running", "2026-11-26T20:00:00Z")
    assert facts.container("other") is None
    bare = facts_of({"metadata": {"name": "p"}})
    assert (bare.phase, bare.is_scheduled, bare.containers) == ("Pending", False, ())


def at(second: int, fraction: int = 0) -> str:
    return f"2026-11-26T20:00:{second:02}.{fraction:09}Z"


def stamped(*lines: tuple[str, str]) -> bytes:
    return "".join(f"{when} {text}\n" for when, text in lines).encode()


def followed(*readings: Answering, ends: bool = True) -> tuple[list[str], FakeApi]:
    """Return what following yields, in short, of a log whose readings are these; then the container has ended."""
    left = list(readings)

    async def answer(request: web.Request) -> web.StreamResponse:
        if not request.path.endswith("/log"):
            is_last = ends and len(left) <= 1
            return web.json_response(pod(ENDED if is_last else RUNNING))
        return await left.pop(0)(request)

    async def run() -> tuple[list[str], FakeApi]:
        async with fake_client() as (api, client):
            api.otherwise = answer
            follower = LogFollower(client, "n", "p", "worker", limits=LogLimits(quiet_s=2.0, outage_s=3.0))
            async with asyncio.timeout(30):
                return [short(item) async for item in follower.items()], api

    return asyncio.run(run())


def short(item: LogLine | Resumed) -> str:
    return item.text if isinstance(item, LogLine) else f"resumed, {'whole' if item.is_whole else 'a hole'}"


ONE, TWO, THREE, FOUR = (at(1, 5), "one"), (at(1, 7), "two"), (at(2), "three"), (at(3), "four")


def test_a_log_that_breaks_is_gone_on_with_and_what_was_seen_is_dropped() -> None:
    found, api = followed(
        streams(stamped(ONE, TWO), then_breaks=True),
        streams(stamped(ONE, TWO, THREE) + b"2026-11-26T20:00:03", then_breaks=True),
        streams(stamped(THREE, FOUR)),
        streams(stamped(FOUR)),
    )
    assert found == ["one", "two", "resumed, whole", "three", "resumed, whole", "four"]
    asked = [query.get("sinceTime") for query in api.queries if "timestamps" in query]
    assert asked == [None, "2026-11-26T20:00:01Z", "2026-11-26T20:00:02Z", "2026-11-26T20:00:03Z"]
    # Only once the container has ended is the log read to its end: nothing can follow then.
    assert [query["follow"] for query in api.queries if "follow" in query] == [
        "true",
        "true",
        "true",
        "false",
    ]


def test_the_zone_of_a_node_is_kept() -> None:
    line = ("2026-11-26T22:00:01.000000005+02:00", "one")
    _, api = followed(streams(stamped(line)), streams(stamped(line)))
    assert api.queries[-1]["sinceTime"] == "2026-11-26T22:00:01+02:00"


def test_where_the_last_line_is_not_found_again_a_hole_is_named() -> None:
    found, _ = followed(
        streams(stamped(ONE, TWO), then_breaks=True), streams(stamped(FOUR)), streams(stamped(FOUR))
    )
    assert found == ["one", "two", "resumed, a hole", "four"]


def test_lines_of_the_same_moment_and_text_are_each_kept() -> None:
    same = (at(1), "same")
    all_of_it = stamped(same, same, same)
    found, _ = followed(
        streams(stamped(same, same), then_breaks=True), streams(all_of_it), streams(all_of_it)
    )
    assert [text for text in found if text == "same"] == ["same"] * 3


def test_what_came_after_the_stream_and_before_the_end_is_read_too() -> None:
    found, _ = followed(streams(stamped(ONE)), streams(stamped(ONE, TWO) + f"{at(2)} no end".encode()))
    assert found == ["one", "two", "no end"]


def test_a_log_that_cannot_be_had_for_now_is_asked_for_again_and_one_that_stays_away_is_a_fault() -> None:
    found, _ = followed(refuses(500, "", "kubelet is away"), streams(stamped(ONE)), streams(stamped(ONE)))
    assert found == ["one"]
    with pytest.raises(ClusterFault, match="500"):
        followed(*[refuses(500, "", "kubelet is away")] * 99)
    with pytest.raises(ClusterFault, match="404"):
        followed(refuses(404, "NotFound"), streams(), streams())


def test_a_silent_stream_is_asked_for_again() -> None:
    found, _ = followed(streams(stamped(ONE), 20.0), streams(stamped(ONE, TWO)), streams(stamped(TWO)))
    assert found == ["one", "resumed, whole", "two"]


def sockets(answer: Callable[[web.WebSocketResponse, int], Any]) -> Any:
    count = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal count
        count += 1
        socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await socket.prepare(request)
        await answer(socket, count)
        return socket

    return handle


def test_lines_are_sent_in_and_the_way_is_opened_again_when_it_breaks() -> None:
    got: list[bytes] = []

    async def take(socket: web.WebSocketResponse, number: int) -> None:
        async for message in socket:
            assert message.type == WSMsgType.BINARY
            assert message.data[:1] == b"\0"
            got.append(message.data[1:])
            if number == 1:
                await socket.close()

    async def run() -> int:
        async with fake_client() as (api, client):
            api.otherwise = sockets(take)
            async with Stdin(client, "n", "p", "worker") as stdin:
                await stdin.send("first")
                await asyncio.sleep(0.3)
                await stdin.send("x" * 100_000)
                await asyncio.sleep(0.3)
                assert api.queries[0] == {
                    "container": "worker",
                    "stdin": "true",
                    "stdout": "false",
                    "stderr": "false",
                }
                assert api.tokens == ["Bearer first"] * 2
                return stdin.opened

    assert asyncio.run(run()) == 2
    assert b"".join(got) == b"first\n" + b"x" * 100_000 + b"\n"


def test_who_may_not_attach_is_told_so() -> None:
    async def run() -> None:
        async with fake_client() as (api, client):
            api.then(refuses(403, "Forbidden"))
            async with Stdin(client, "n", "p", "worker") as stdin:
                await stdin.send("line")

    with pytest.raises(ClusterFault, match="cannot attach to n/p/worker: the API server answers 403"):
        asyncio.run(run())


def test_a_container_that_does_not_start_is_named_with_its_reason() -> None:
    async def run() -> None:
        async with fake_client() as (api, client):
            api.otherwise = says(pod({"waiting": {"reason": "ImagePullBackOff"}}, phase="Pending"))
            async for _ in LogFollower(client, "n", "p", "worker", limits=LogLimits(start_s=0.1)).items():
                pass

    with pytest.raises(ClusterFault) as raised:
        asyncio.run(run())
    assert raised.value.cause == "ImagePullBackOff"
