"""The proxies of a system as pods: which there are, a page of each, and what has become of them."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.cluster.pods.facts import PodFacts, facts_of
from seatrial.errors import SystemFault
from seatrial.machine.members import Member, PodRef

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seatrial.cluster.client import Client
    from seatrial.machine.members import Role
    from seatrial.systems.installed.kinds.recipe import Recipe

UP_LIMIT_S = 180.0
POLL_S = 0.2
PAGE_LIMIT_S = 120.0
"""A page of ten thousand routes is long."""
LOGS_KEPT = (
    "read what its containers wrote, in the run directory under logs/: the pods are gone after the trial"
)
HOPELESS_AFTER = 3
"""A container that was started anew so often ends each time."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """One pod that is ready. ``image`` has the digests of what runs, as its node's runtime says them."""

    name: str
    uid: str
    node: str
    address: str
    image: str
    restarts: int

    @classmethod
    def of(cls, facts: PodFacts) -> Proxy:
        """Return the proxy that a pod is."""
        images = dict.fromkeys(one.image_id or one.image for one in facts.containers)
        return cls(facts.name, facts.uid, facts.node, facts.address, ", ".join(images), facts.restarts)

    @property
    def incarnation(self) -> str:
        """What is another once any container of it was started anew, as its counters are."""
        return f"{self.uid}/{self.restarts}"


class Proxies:
    """The pods of a recipe's proxies, in the order of their names."""

    def __init__(self, client: Client, recipe: Recipe) -> None:
        self.all: tuple[Proxy, ...] = ()
        self.failure: str | None = None
        self._client, self._recipe = client, recipe

    async def come_up(self) -> None:
        """Wait until there are as many as there are to be, each ready. Raises ``SystemFault`` that says why not."""
        deadline_s = time.monotonic() + UP_LIMIT_S
        wanted = self._recipe.replicas()
        while True:
            found = await self._look()
            ready = [one for one in found if one.is_ready and not one.is_being_deleted]
            if len(ready) == len(found) == wanted:
                self.all = tuple(map(Proxy.of, ready))
                return
            if is_hopeless(found) or time.monotonic() > deadline_s:
                raise SystemFault(
                    f"{len(ready)} of {wanted} proxies of {self._recipe.site.label} are ready",
                    cause=trouble_text(found) or f"the rest was not within {UP_LIMIT_S:g} s",
                    next_step=LOGS_KEPT,
                )
            await asyncio.sleep(POLL_S)

    async def look(self) -> None:
        """See what has become of them: the first that was restarted, or has gone, is in ``failure``."""
        # One that was evicted is still there, and says why.
        found = await pods_in(self._client, self._recipe.namespace, self._recipe.proxies())
        now = {one.name: one for one in map(facts_of, found)}
        for proxy in self.all:
            facts = now.get(proxy.name)
            if facts is None or facts.is_being_deleted or facts.has_ended or facts.uid != proxy.uid:
                why = trouble_text([facts]).removeprefix(f"{proxy.name}: ") if facts else ""
                self.failure = self.failure or f"{proxy.name} has gone{f': {why}' if why else ''}"
            elif facts.restarts != proxy.restarts:
                self.failure = self.failure or f"{trouble_text([facts]) or f'{proxy.name} was restarted'}"
        self.all = tuple(
            Proxy.of(facts)
            for proxy in self.all
            if (facts := now.get(proxy.name)) and facts.address and not facts.has_ended
        )

    async def page(self, proxy: Proxy, path: str) -> str:
        """Return a page of a proxy's status port, by way of the API server; raises ``ClusterFault``."""
        at = (self._recipe.namespace, proxy.name, self._recipe.status_port)
        return await page_of(self._client, at, path, PAGE_LIMIT_S)

    async def _look(self) -> list[PodFacts]:
        return await facts_in(self._client, self._recipe.namespace, self._recipe.proxies())


async def page_of(client: Client, at: tuple[str, str, int], path: str, limit_s: float) -> str:
    """Return a page of a pod ``at`` a namespace, its name and a port, by way of the API server.

    Raises ``ClusterFault``.
    """
    namespace, name, port = at
    answer = await client.get(
        f"/api/v1/namespaces/{namespace}/pods/{name}:{port}/proxy{path}",
        accept="*/*",
        limit_s=limit_s,
        asked=f"ask {name} for {path.partition('?')[0]}",
    )
    # The client has read what is JSON.
    return answer.body if isinstance(answer.body, str) else json.dumps(answer.body)


async def log_of(client: Client, namespace: str, name: str, params: Mapping[str, str], limit_s: float) -> str:
    """Return what a container of a pod has written, as the ``params`` of the API choose it; raises ``ClusterFault``."""
    answer = await client.get(
        f"/api/v1/namespaces/{namespace}/pods/{name}/log",
        params,
        accept="*/*",
        limit_s=limit_s,
        asked=f"read the log of {name}",
    )
    return answer.body if isinstance(answer.body, str) else ""


def member_of(role: Role, pod: PodFacts | Proxy, namespace: str) -> Member:
    """Return the member of a role that a pod is; none of its processes is on this machine."""
    return Member(role, pod.name, (), PodRef(namespace, pod.name, pod.uid, pod.node))


def not_up(what: str, pods: Sequence[PodFacts], limit_s: float) -> SystemFault:
    """Return that pods are not ready, with what has befallen the first of them that anything has."""
    return SystemFault(
        what, cause=trouble_text(pods) or f"it was not ready within {limit_s:g} s", next_step=LOGS_KEPT
    )


async def pods_in(
    client: Client, namespace: str, labels: Mapping[str, str]
) -> Sequence[Mapping[str, object]]:
    """Return the pods of a namespace that carry these labels, by name."""
    chosen = ",".join(f"{name}={value}" for name, value in labels.items())
    answer = await client.get(f"/api/v1/namespaces/{namespace}/pods", {"labelSelector": chosen})
    return sorted(answer.body["items"], key=lambda pod: str(pod["metadata"]["name"]))


async def facts_in(client: Client, namespace: str, labels: Mapping[str, str]) -> list[PodFacts]:
    """Return the facts of these pods, of those that are not over."""
    facts = map(facts_of, await pods_in(client, namespace, labels))
    return [one for one in facts if not one.has_ended]


def is_hopeless(pods: Sequence[PodFacts]) -> bool:
    """Return whether one of them will not come up, however long one waits."""
    codes = {trouble.code for pod in pods for trouble in pod.troubles}
    return bool(codes & {"image_pull", "cannot_start"}) or any(
        pod.restarts >= HOPELESS_AFTER and not pod.is_ready for pod in pods
    )


def trouble_text(pods: Sequence[PodFacts]) -> str:
    """Return what has befallen the first of them that anything has; empty where nothing has."""
    for pod in pods:
        if pod.troubles:
            said = [f"{f'{one.container}: ' if one.container else ''}{one.text}" for one in pod.troubles]
            return f"{pod.name}: {'; '.join(said)}"
    return ""
