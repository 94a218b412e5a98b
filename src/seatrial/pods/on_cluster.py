"""A group's cluster, as the client has it: one namespace of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from seatrial.cluster.objects import Objects
from seatrial.cluster.pods.log import LogFollower, LogLimits, LogLine
from seatrial.cluster.pods.stdin import Stdin
from seatrial.cluster.rights import rights_to
from seatrial.cluster.watch import Change, Watch
from seatrial.pods.group import Seen
from seatrial.pods.job import CONTAINER

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from seatrial.cluster.client import Client
    from seatrial.cluster.owned import Owned

OUTAGE_S = 86_400.0
"""Whoever waits for a pod has a limit of its own; while the pod is at work its streams are opened again."""

LIMITS = LogLimits(quiet_s=15.0, outage_s=OUTAGE_S)
"""Programs of ours that have work say something every second or two, and are asked for it every five."""

RIGHTS = (
    *rights_to(
        "create get list delete", "jobs", group="batch", why="workers and origins are the pods of Jobs"
    ),
    *rights_to("get list watch", "pods", why="a pod that is not ready, or is lost, is named"),
    *rights_to("get", "pods/log", why="what workers and origins report is their log"),
    *rights_to(
        "get create", "pods/attach", why="workers and origins are given their work through their stdin"
    ),
)
"""What this room needs."""

OPENING = 64
"""Streams that are being opened at a time: what else is asked of the API server has its turn."""


class OneNamespace:
    """The ``Cluster`` of a group; ``owned`` labels and writes down what is made for a run."""

    def __init__(self, client: Client, namespace: str, owned: Owned) -> None:
        self.streams = _Streams(client, namespace)
        self._client, self._namespace = client, namespace
        self._owned = owned

    async def create(self, manifest: Mapping[str, Any]) -> None:
        """Make an object."""
        await self._owned.create([manifest])

    async def watch(self, selector: str) -> AsyncGenerator[Seen]:
        """Yield the pods with these labels, and again whenever one changes."""
        path = f"/api/v1/namespaces/{self._namespace}/pods"
        watch = Watch(self._client, path, labels=selector, outage_limit_s=OUTAGE_S)
        async for change in watch.changes():
            if isinstance(change, Change):
                yield Seen(change.object, change.kind == "deleted")

    async def delete(self, manifest: Mapping[str, Any]) -> None:
        """Delete an object with what it owns."""
        await Objects(self._client).delete([manifest])


class _Streams:
    def __init__(self, client: Client, namespace: str) -> None:
        self._client, self._namespace = client, namespace
        self._opening = asyncio.Semaphore(OPENING)

    async def log(self, pod: str) -> AsyncGenerator[str]:
        follower = LogFollower(self._client, self._namespace, pod, CONTAINER, limits=LIMITS)
        async for item in follower.items():
            # What a kubelet says of a log that it cannot read has no time before it.
            if isinstance(item, LogLine) and item.at[:1].isdigit():
                yield item.text

    def way(self, pod: str) -> _Way:
        return _Way(Stdin(self._client, self._namespace, pod, CONTAINER), self._opening)


class _Way:
    def __init__(self, stdin: Stdin, opening: asyncio.Semaphore) -> None:
        self._stdin, self._opening = stdin, opening

    async def send(self, line: str) -> None:
        async with self._opening:
            await self._stdin.send(line)

    async def close(self) -> None:
        await self._stdin.close()
