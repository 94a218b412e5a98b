"""The pods of a controller: which there are, what they say of themselves, and what has become of them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from seatrial.cluster.pods.facts import facts_of
from seatrial.errors import ClusterFault
from seatrial.systems.installed.controllers.log import panics_in
from seatrial.systems.installed.controllers.page import said_in
from seatrial.systems.installed.pods import (
    Proxy,
    log_of,
    member_of,
    page_of,
    pods_in,
    trouble_text,
)
from seatrial.systems.running import ControllerLook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.cluster.client import Client
    from seatrial.cluster.pods.facts import ContainerFacts, PodFacts
    from seatrial.machine.members import Member
    from seatrial.systems.installed.kinds.recipe import Recipe

LOOKED_AT_EVERY_S = 10.0
"""To write its page takes a controller CPU, and Contour's has a line for each of its routes."""
PAGE_LIMIT_S, LOG_LIMIT_S = 10.0, 20.0
LOG_LIMIT_BYTES = 16 << 20
LOGS_KEPT = 1
"""How many lives before the present one have a log still."""


class Controllers:
    """The pods of a recipe's controller; there are none where its proxies need no other program."""

    def __init__(self, client: Client, recipe: Recipe) -> None:
        self._client, self._recipe = client, recipe
        # Each that was ever seen, as it was seen last.
        self._known: dict[str, PodFacts] = {}
        self._there: tuple[PodFacts, ...] = ()
        self._put_down: dict[str, tuple[int, str] | None] = {}
        self._due_s = 0.0

    def members(self) -> tuple[Member, ...]:
        """Return those that there were at the last look."""
        return tuple(member_of("controller", pod, pod.namespace) for pod in self._there if pod.node)

    async def look(self, *, at_once: bool) -> Mapping[str, ControllerLook]:
        """Look at each, by name; nothing where the last look was a moment ago, unless it is to be ``at_once``.

        One that has gone by itself has ended once more; one that was ``put_down`` is not among them. Raises
        ``ClusterFault`` where the pods cannot be listed.
        """
        if not self._recipe.controllers or (not at_once and time.monotonic() < self._due_s):
            return {}
        self._due_s = time.monotonic() + LOOKED_AT_EVERY_S
        found = [pod for name in self._recipe.controllers for pod in await self._pods(name)]
        found = [pod for pod in found if pod.name not in self._put_down]
        self._there = tuple(pod for pod in found if not pod.has_ended and not pod.is_being_deleted)
        pages = await asyncio.gather(*map(self._page, self._there))
        looks = {
            pod.name: ControllerLook(Proxy.of(pod).incarnation, _ended(pod), _why(pod), said_in(page))
            for pod, page in zip(self._there, pages, strict=True)
        }
        self._known |= {pod.name: pod for pod in self._there}
        # One that was evicted is still listed, and says why.
        listed = {pod.name: pod for pod in found}
        gone = self._known.keys() - looks.keys() - self._put_down.keys()
        return looks | {name: _gone(self._known[name], listed.get(name)) for name in gone}

    async def put_down(self) -> None:
        """Remember those that there are as ended on purpose, with what their logs say until now."""
        for pod in self._there:
            self._put_down[pod.name] = await self._panics(pod, "")
        self._there = ()

    async def panics(self, since_utc: str) -> Mapping[str, tuple[int, str]]:
        """Return the panics in the log of each since then (RFC 3339), and the first; not of one that cannot be read.

        Of one that was put down it is its whole log.
        """
        found = {pod.name: await self._panics(pod, since_utc) for pod in self._there} | self._put_down
        return {name: panics for name, panics in found.items() if panics is not None}

    async def _pods(self, deployment: str) -> list[PodFacts]:
        labels = self._recipe.labelled(deployment)
        return list(map(facts_of, await pods_in(self._client, self._recipe.namespace, labels)))

    async def _panics(self, pod: PodFacts, since_utc: str) -> tuple[int, str] | None:
        try:
            logs = [await self._log(pod, one, since_utc) for one in pod.containers]
        except ClusterFault:
            return None
        counts = [panics_in(log) for log in logs]
        total, first = (
            sum(count for count, _ in counts),
            next((words for count, words in counts if count), ""),
        )
        # Of several lives the kubelet keeps the logs of the last two; and one may be longer than what is read of it.
        is_whole = all(len(log) < LOG_LIMIT_BYTES for log in logs) and pod.restarts <= LOGS_KEPT
        return (total, first) if total or is_whole else None

    async def _page(self, pod: PodFacts) -> str:
        at = (pod.namespace, pod.name, self._recipe.metrics_port)
        try:
            return await page_of(self._client, at, "/metrics", PAGE_LIMIT_S)
        except ClusterFault:
            return ""

    async def _log(self, pod: PodFacts, container: ContainerFacts, since_utc: str) -> str:
        asked = {"container": container.name, "limitBytes": str(LOG_LIMIT_BYTES)}
        asked |= {"sinceTime": since_utc} if since_utc else {}
        texts = [await log_of(self._client, pod.namespace, pod.name, asked, LOG_LIMIT_S)]
        # What it wrote in its life before is a log of its own. One that waits for its next start gives that log to
        # both questions, if it was not started since it was looked at.
        if container.restarts or container.state != "running":
            try:
                before = {**asked, "previous": "true"}
                texts.append(await log_of(self._client, pod.namespace, pod.name, before, LOG_LIMIT_S))
            except ClusterFault:
                # Until its first restart there is none.
                if container.restarts:
                    raise
        return "\n".join({text.partition("\n")[0]: text for text in texts}.values())


def _gone(known: PodFacts, now: PodFacts | None) -> ControllerLook:
    why = trouble_text([now]).removeprefix(f"{known.name}: ") if now is not None else ""
    return ControllerLook(Proxy.of(known).incarnation, _ended(known) + 1, why or "its pod has gone", {})


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
