"""Pods that are waited for and watched: all run, or it is said which does not and why; who is lost later is named."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from tests.support.pods import PlayedCluster, ended_status, job, pod_object

from seatrial.errors import EnvironmentFault
from seatrial.pods.group import Group
from seatrial.pods.job import CONTAINER

SOON_S, LONG_S = 0.3, 20.0


class Showing(PlayedCluster):
    """A cluster whose pods are first seen with the given statuses, None being one that is never made."""

    def __init__(self, *statuses: Mapping[str, Any] | None) -> None:
        super().__init__()
        self._statuses = statuses

    async def make(self, index: int, manifest: Mapping[str, Any]) -> None:
        if (status := self._statuses[index]) is not None:
            self.show(pod_object(index, status=status or None))


RUNNING: Mapping[str, Any] = {}
DISRUPTED = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
    "message": "drained",
}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"name": CONTAINER, "state": state, "restartCount": 0}]}


def unscheduled(message: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"phase": "Pending", "conditions": [condition]}


def refused(*statuses: Mapping[str, Any] | None, limit_s: float = SOON_S) -> EnvironmentFault:
    cluster = Showing(*statuses)
    group = Group(job(len(statuses)), cluster)
    with pytest.raises(EnvironmentFault) as caught:
        asyncio.run(group.start(limit_s))
    # Nothing is left of it.
    assert cluster.deleted == cluster.created != []
    return caught.value


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (unscheduled("0/3 nodes are available"), "Unschedulable: 0/3 nodes are available"),
        (waiting("ErrImagePull", "not found"), "ErrImagePull: not found"),
        ({"phase": "Pending"}, "its container is being created"),
    ],
)
def test_what_a_pod_waits_for_is_said_once_the_time_is_over(status: Mapping[str, Any], words: str) -> None:
    fault = refused(RUNNING, status)
    assert str(fault) == "1 of 2 worker pods are running after 0.3 s"
    assert fault.cause == f"pod load-1 on node node-1: {words}"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (waiting("ImagePullBackOff", "no such image"), "ImagePullBackOff: no such image"),
        (waiting("CreateContainerConfigError", "non-root"), "CreateContainerConfigError: non-root"),
        (ended_status(exitCode=137, reason="OOMKilled"), "was OOM-killed"),
        (ended_status(exitCode=3, reason="Error"), "ended with exit status 3"),
        ({"phase": "Failed", "reason": "SysctlForbidden", "message": "forbidden"}, "failed: SysctlForbidden"),
    ],
)
def test_a_pod_that_will_not_run_is_not_waited_for(status: Mapping[str, Any], words: str) -> None:
    fault = refused(status, RUNNING, limit_s=LONG_S)
    assert str(fault) == "1 of 2 worker pods are running and will not all be"
    assert fault.cause is not None
    assert words in fault.cause


def test_one_reason_is_said_once_with_some_of_those_that_have_it() -> None:
    fault = refused(*[unscheduled("no room")] * 5)
    names = "pod load-0 on node node-0, pod load-1 on node node-1, pod load-2 on node node-0 and 2 more"
    assert fault.cause == f"{names}: Unschedulable: no room"


def test_pods_that_were_never_made_are_said_to_be() -> None:
    fault = refused(None, RUNNING)
    assert fault.cause is not None
    assert "quota" in fault.cause


@pytest.mark.parametrize("turns", range(8))
def test_who_waits_for_pods_can_be_called_off_while_they_change(turns: int) -> None:
    async def play() -> bool:
        cluster = Showing(waiting("ContainerCreating"))
        starting = asyncio.create_task(Group(job(1), cluster).start(LONG_S))
        await asyncio.sleep(0.05)
        cluster.show(pod_object(0, status=waiting("ContainerCreating", "again")))
        # One of these many turns of the loop is that in which the change is heard.
        for _ in range(turns):
            await asyncio.sleep(0)
        starting.cancel()
        done, _ = await asyncio.wait([starting], timeout=LONG_S / 2)
        return done == {starting} and starting.cancelled() and cluster.deleted == cluster.created

    assert asyncio.run(play())


def watched(scene: Callable[[Group, PlayedCluster], Awaitable[None]], count: int = 2) -> None:
    async def play() -> None:
        cluster = PlayedCluster()
        group = Group(job(count), cluster)
        await group.start(LONG_S)
        try:
            await scene(group, cluster)
        finally:
            await group.close()

    asyncio.run(play())


async def how_it_ended(group: Group, index: int) -> str:
    """Return it once the conversation is over, which its messages say."""
    talk = group.talk(index)
    async with asyncio.timeout(LONG_S):
        async for _ in talk.messages():
            pass
    assert talk.standing is not None
    return talk.standing.why


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        (
            pod_object(1, status=ended_status(exitCode=137, reason="OOMKilled")),
            "was OOM-killed, ended by the kernel: it took more memory than its limit",
        ),
        (pod_object(1, deletionTimestamp="2026-11-26T20:00:00Z"), "was deleted"),
        (pod_object(1, status=ended_status(exitCode=137), deletionTimestamp="now"), "was deleted"),
        (pod_object(1, status=ended_status(exitCode=3), deletionTimestamp="now"), "ended with exit status 3"),
        (
            pod_object(1, status={"phase": "Failed", "reason": "Evicted", "message": "memory"}),
            "was evicted: memory",
        ),
        (pod_object(1, status={"conditions": [DISRUPTED]}, deletionTimestamp="now"), "was evicted: drained"),
        (pod_object(1, name="load-1-b", uid="other"), "was replaced by pod load-1-b"),
    ],
)
def test_a_pod_that_is_lost_is_named_with_its_reason(pod: Mapping[str, Any], words: str) -> None:
    async def scene(group: Group, cluster: PlayedCluster) -> None:
        cluster.pods["load-1"].end()
        cluster.show(pod)
        assert await how_it_ended(group, 1) == words
        assert [one.removesuffix(words) for one in group.ended()] == ["pod load-1 on node node-1 "]
        # What follows is its removal, and no other reason.
        cluster.show(pod_object(1, deletionTimestamp="now"), is_gone=True)
        await asyncio.sleep(0)
        assert len(group.ended()) == 1

    watched(scene)


def test_a_pod_whose_container_began_anew_is_lost() -> None:
    async def scene(group: Group, cluster: PlayedCluster) -> None:
        state = {"name": CONTAINER, "state": {"running": {}}, "restartCount": 1}
        state["lastState"] = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
        cluster.show(pod_object(0, status={"phase": "Running", "containerStatuses": [state]}))
        cluster.pods["load-0"].end()
        assert (await how_it_ended(group, 0)).startswith("was restarted (was OOM-killed")

    watched(scene)


def test_what_an_ended_pod_had_written_is_read_to_its_end() -> None:
    async def scene(group: Group, cluster: PlayedCluster) -> None:
        pod, talk = cluster.pods["load-0"], group.talk(0)
        cluster.show(pod_object(0, status=ended_status(exitCode=1, message="bad spec")))
        await asyncio.sleep(0.05)
        pod.say(type="frame")
        pod.write("the spec is not valid")
        pod.end()
        assert [message["type"] async for message in talk.messages()] == ["frame"]
        assert talk.words == "the spec is not valid"

    watched(scene)
