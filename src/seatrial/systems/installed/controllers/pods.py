"""The pods of a controller: which there are, what they say of themselves, and what has become of them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from seatrial.errors import ClusterFault
from seatrial.machine.members import Member, PodRef
from seatrial.systems.installed.controllers.log import panics_in
from seatrial.systems.installed.controllers.page import said_in
from seatrial.systems.installed.pods import facts_in
from seatrial.systems.running import ControllerLook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.cluster.client import Client
    from seatrial.cluster.pods.facts import ContainerFacts, PodFacts
    from seatrial.systems.installed.kinds.recipe import Recipe

LOOKED_AT_EVERY_S = 10.0
"""To write its page takes a controller CPU, and Contour's has a line for each of its routes."""
PAGE_LIMIT_S, LOG_LIMIT_S = 10.0, 20.0
LOG_LIMIT_BYTES = 16 << 20


class Controllers:
    """The pods of a recipe's controller; there are none where its proxies need no other program."""

    def __init__(self, client: Client, recipe: Recipe) -> None:
        self._client, self._recipe = client, recipe
        self._pods: tuple[PodFacts, ...] = ()
        self._due_s = 0.0

    def members(self) -> tuple[Member, ...]:
        """Return those that there were at the last look."""
        return tuple(
            Member("controller", pod.name, (), PodRef(pod.namespace, pod.name, pod.uid, pod.node))
            for pod in self._pods
            if pod.node
        )

    async def look(self, *, at_once: bool) -> Mapping[str, ControllerLook]:
        """Look at each, by name; nothing where the last look was a moment ago, unless it is to be ``at_once``.

        Raises ``ClusterFault`` where the pods cannot be listed.
        """
        if not self._recipe.controllers or (not at_once and time.monotonic() < self._due_s):
            return {}
        self._due_s = time.monotonic() + LOOKED_AT_EVERY_S
        found = [
            await facts_in(self._client, self._recipe.namespace, self._recipe.labelled(name))
            for name in self._recipe.controllers
        ]
        # One that is being replaced is on its way out.
        self._pods = tuple(pod for pods in found for pod in pods if not pod.is_being_deleted)
        pages = await asyncio.gather(*map(self._page, self._pods))
        return {
            pod.name: ControllerLook(f"{pod.uid}/{pod.restarts}", _ended(pod), _why(pod), said_in(page))
            for pod, page in zip(self._pods, pages, strict=True)
        }

    async def panics(self, since_utc: str) -> Mapping[str, tuple[int, str]]:
        """Return the panics in the log of each since then (RFC 3339), and the first; not of one that cannot be read."""
        found = {}
        for pod in self._pods:
            try:
                found[pod.name] = panics_in([await self._log(pod, one, since_utc) for one in pod.containers])
            except ClusterFault:
                continue
        return found

    async def _page(self, pod: PodFacts) -> str:
        which = f"{pod.name}:{self._recipe.metrics_port}"
        try:
            answer = await self._client.get(
                f"/api/v1/namespaces/{pod.namespace}/pods/{which}/proxy/metrics",
                accept="*/*",
                limit_s=PAGE_LIMIT_S,
                asked=f"ask {pod.name} for its metrics",
            )
        except ClusterFault:
            return ""
        return answer.body if isinstance(answer.body, str) else ""

    async def _log(self, pod: PodFacts, container: ContainerFacts, since_utc: str) -> str:
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/log"
        asked = {"container": container.name, "sinceTime": since_utc, "limitBytes": str(LOG_LIMIT_BYTES)}
        # What was written before it was started anew is a log of its own, of which the kubelet keeps the last.
        logs = [asked, {**asked, "previous": "true"}] if container.restarts else [asked]
        texts = []
        for which in logs:
            answer = await self._client.get(
                path, which, accept="*/*", limit_s=LOG_LIMIT_S, asked=f"read the log of {pod.name}"
            )
            texts.append(answer.body if isinstance(answer.body, str) else "")
        return "\n".join(texts)


def _ended(pod: PodFacts) -> int:
    # One that has ended and waits for its next start has not been counted as started again yet.
    waits = sum(
        one.state == "terminated" or (one.state == "waiting" and one.reason == "CrashLoopBackOff")
        for one in pod.containers
    )
    return pod.restarts + waits


def _why(pod: PodFacts) -> str:
    said = {trouble.code: trouble for trouble in pod.troubles}
    found = said.get("oom_killed") or said.get("crashed")
    return "" if found is None else f"{found.container}: {found.text}"
