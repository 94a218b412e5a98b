"""Pods of a real cluster: logs through the end of the API server, lines that are sent in, and what befalls them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support import clusters
from tools.cluster import processes
from tools.cluster import up as starting
from tools.cluster.images import catalogue

from seatrial.cluster.access import open_cluster
from seatrial.cluster.client import Client
from seatrial.cluster.connection.kubeconfig import Where
from seatrial.cluster.objects import Objects
from seatrial.cluster.pods.facts import PodFacts, facts_of
from seatrial.cluster.pods.log import LogFollower, LogLine, Resumed
from seatrial.cluster.pods.node import RESOURCE_METRICS, node_proxy
from seatrial.cluster.pods.stdin import Stdin

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
# Counts until it is sent the end, and says what it is sent.
TALK = """
exec 3<&0
while read -r line; do echo "got $line"; [ "$line" = end ] && : > /end; done <&3 &
i=0
while [ ! -e /end ]; do echo "line $i"; i=$((i+1)); sleep 0.1; done
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Any]:
    with clusters.own_cluster("pods") as made:
        yield made


def pod(name: str, command: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = clusters.pod(name, "load", catalogue.TOOLBOX.reference, "/bin/sh", "-c", command)
    made["spec"] |= {"restartPolicy": "Never", **more}
    made["spec"]["containers"][0] |= {"stdin": True, "stdinOnce": False}
    return made


async def troubled(client: Client, manifest: dict[str, Any]) -> PodFacts:
    """Return the facts of a pod once anything has befallen it."""
    async with asyncio.timeout(90):
        while True:
            found = await Objects(client).get(manifest)
            assert found is not None
            if (facts := facts_of(found)).troubles:
                return facts
            await asyncio.sleep(0.2)


async def until(true: Callable[[], bool], following: asyncio.Task[None]) -> None:
    """Wait while a log is followed."""
    while not true():
        assert not following.done(), following.exception()
        await asyncio.sleep(0.1)


def restart_api_server(lab: Any) -> None:
    os.kill(processes.recorded(lab)["kube-apiserver"], signal.SIGKILL)
    starting.up(lab, print)


def test_a_log_is_whole_and_lines_go_in_through_the_end_of_the_api_server(lab: Any) -> None:
    async def run() -> tuple[list[str], list[Resumed], int]:
        async with open_cluster(Where(str(lab.kubeconfig))) as client:
            await Objects(client).create([pod("talk", TALK)])
            lines: list[str] = []
            resumed: list[Resumed] = []

            async def follow() -> None:
                async for item in LogFollower(client, "default", "talk", "main").items():
                    if isinstance(item, LogLine):
                        lines.append(item.text)
                    else:
                        resumed.append(item)

            following = asyncio.create_task(follow())
            async with Stdin(client, "default", "talk", "main") as stdin, asyncio.timeout(90):
                await stdin.send("before")
                await until(lambda: "got before" in lines, following)
                await asyncio.to_thread(restart_api_server, lab)
                await stdin.send("after", limit_s=60)
                await until(lambda: "got after" in lines, following)
                await stdin.send("end")
                await following
                return lines, resumed, stdin.opened

    lines, resumed, opened = asyncio.run(run())
    counted = [line for line in lines if line.startswith("line")]
    assert counted == [f"line {number}" for number in range(len(counted))]
    assert [line for line in lines if line.startswith("got")] == ["got before", "got after", "got end"]
    # An API server that comes up, on a busy machine, may let go of it more than once.
    assert 1 <= len(resumed) < 60
    assert all(item.is_whole for item in resumed)
    assert opened >= 2


def test_what_befalls_pods_is_read_from_them_and_nodes_are_asked_through_the_api(lab: Any) -> None:
    hungry = pod("hungry", "tail /dev/zero")
    hungry["spec"]["containers"][0]["resources"] = {"limits": {"memory": "32Mi"}}
    imageless = pod("imageless", "true")
    imageless["spec"]["containers"][0]["image"] = "localhost/none:1"
    nowhere = pod("nowhere", "true", nodeSelector={"no": "node"})
    crashed = pod("crashed", "exit 3")

    async def run() -> None:
        async with open_cluster(Where(str(lab.kubeconfig))) as client:
            await Objects(client).create([hungry, imageless, nowhere, crashed])
            found = {
                one["metadata"]["name"]: await troubled(client, one)
                for one in (hungry, imageless, nowhere, crashed)
            }
            assert {name: facts.troubles[0].code for name, facts in found.items()} == {
                "hungry": "oom_killed", "imageless": "image_pull", "nowhere": "unschedulable", "crashed": "crashed",
            }  # fmt: skip
            assert found["hungry"].node == "load"
            metrics = (await node_proxy(client, "load", RESOURCE_METRICS)).body
            assert "node_cpu_usage_seconds_total" in metrics

    asyncio.run(run())
