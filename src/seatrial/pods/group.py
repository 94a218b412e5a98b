"""The pods of one Job together: made, waited for, watched to their end, and deleted."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from seatrial.cluster.pods.facts import PodFacts, facts_of
from seatrial.errors import EnvironmentFault
from seatrial.machine.members import PodRef
from seatrial.pods.job import CONTAINER, PodJob, manifest_of
from seatrial.pods.standing import UNSCHEDULABLE, Standing, standing_of
from seatrial.pods.talk import Talk

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping

    from seatrial.pods.streams import Streams

RUNNING_LIMIT_S = 180.0
"""Workers and origins have so long to run: an image may have to be fetched."""
UNSCHEDULABLE_S = 60.0
"""Pods for which no node has room are waited for so long: others of the run may still be on their way out."""
LOOK_S = 0.2
"""Whether one of them is hopeless is looked at this often while they are waited for."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A pod as it is now; ``is_gone`` where it was this, and has been deleted."""

    pod: Mapping[str, Any]
    is_gone: bool = False


class Cluster(Protocol):
    """What a group asks of a cluster."""

    @property
    def streams(self) -> Streams:
        """The logs and inputs of the pods of its namespace."""

    async def create(self, manifest: Mapping[str, Any]) -> None:
        """Make an object; raises ``SeatrialError``."""

    def watch(self, selector: str) -> AsyncGenerator[Seen]:
        """Yield the pods with these labels, each as it is and again whenever it changes, without end.

        Whatever breaks meanwhile is mended in there: pods that are gone since are yielded as gone.
        """

    async def delete(self, manifest: Mapping[str, Any]) -> None:
        """Delete an object and what it owns, unless it is gone; raises ``SeatrialError``."""


@dataclass(slots=True)
class _Place:
    """One index of the Job, and the first pod that was seen of it."""

    pod: PodFacts
    standing: Standing
    talk: Talk | None = None

    def __str__(self) -> str:
        return f"pod {self.pod.name} on node {self.pod.node}" if self.pod.node else f"pod {self.pod.name}"


class Group:
    """``start`` it, talk to each of it by its index, and ``close`` it in any case."""

    def __init__(self, job: PodJob, cluster: Cluster) -> None:
        self.job = job
        self._cluster = cluster
        self._places: dict[int, _Place] = {}
        self._changed = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._manifest = manifest_of(job)

    async def start(self, limit_s: float) -> None:
        """Make the Job and wait until every pod of it runs, at most ``limit_s``.

        Raises
        ------
        EnvironmentFault
            Some do not run by then, or will not: why is among the causes. Nothing is left of the Job.
        """
        began_s = time.monotonic()
        try:
            await self._cluster.create(self._manifest)
            self._watching = asyncio.create_task(self._watch())
            with suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await self._all_running()
            self._require_running(limit_s, began_s)
        except BaseException:
            await self.close()
            raise

    def talk(self, index: int) -> Talk:
        """Return the conversation with the pod of an index, which has started."""
        place = self._places[index]
        if place.talk is None:
            place.talk = Talk(place.pod.name, self._cluster.streams)
            if place.standing.has_ended:
                place.talk.over(place.standing)
        return place.talk

    def name(self, index: int) -> str:
        """Return which pod an index is, and where."""
        return str(self._places[index])

    def pods(self) -> tuple[PodFacts, ...]:
        """Return the pods as they were seen last, in the order of their indexes."""
        return tuple(place.pod for _, place in sorted(self._places.items()))

    def ended(self) -> tuple[str, ...]:
        """Say of each pod that has ended which it was, and how."""
        return tuple(
            f"{place} {place.standing.why}"
            for _, place in sorted(self._places.items())
            if place.standing.has_ended
        )

    async def close(self) -> None:
        """End every conversation, and delete the Job with its pods."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        talks = [place.talk for place in self._places.values() if place.talk is not None]
        await asyncio.gather(*(talk.close() for talk in talks))
        await self._cluster.delete(self._manifest)

    async def _all_running(self) -> None:
        has_room_s = time.monotonic()
        while True:
            self._changed.clear()
            places = self._places.values()
            if any(place.standing.has_ended or place.standing.is_hopeless for place in places):
                return
            if not any(place.standing.why.startswith(UNSCHEDULABLE) for place in places):
                has_room_s = time.monotonic()
            elif time.monotonic() - has_room_s > UNSCHEDULABLE_S:
                return
            if len(places) == self.job.count and all(place.standing.state == "running" for place in places):
                return
            # Not `wait_for`: on Python 3.11 that drops a cancellation which comes together with a change.
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._changed.wait()
            if self._watching is not None and self._watching.done():
                self._watching.result()

    async def _watch(self) -> None:
        async for seen in self._cluster.watch(self.job.selector):
            self._see(seen)

    def _see(self, seen: Seen) -> None:
        pod = facts_of(seen.pod)
        if pod.index is None:
            return
        standing = standing_of(pod, CONTAINER)
        place = self._places.get(pod.index)
        if place is None:
            place = self._places[pod.index] = _Place(pod, standing)
        if place.pod.uid != pod.uid:
            # Whoever replaced it, its successor knows nothing of the load.
            standing = Standing("ended", f"was replaced by pod {pod.name}")
        elif seen.is_gone and not standing.has_ended:
            standing = Standing("ended", "was deleted")
        self._changed.set()
        if place.standing.has_ended:
            # How it ended first is why; what follows is its removal.
            return
        if place.pod.uid == pod.uid:
            place.pod = pod
        place.standing = standing
        if standing.has_ended and place.talk is not None:
            place.talk.over(standing)

    def _require_running(self, limit_s: float, began_s: float) -> None:
        running = sum(place.standing.state == "running" for place in self._places.values())
        if running == self.job.count:
            return
        kind = f"{self.job.role} pods" if self.job.count > 1 else f"{self.job.role} pod"
        is_over = any(
            place.standing.has_ended or place.standing.is_hopeless for place in self._places.values()
        )
        when = (
            "and will not all be" if is_over else f"after {_rounded(limit_s, time.monotonic() - began_s)} s"
        )
        reasons = reasons_of((str(place), place.standing) for _, place in sorted(self._places.items()))
        raise EnvironmentFault(
            f"{running} of {self.job.count} {kind} are running {when}",
            cause="\n".join(reasons)
            or "the Job has made no pod: a quota, or an admission webhook, may not allow it",
            next_step=_next_step(reasons, self.job),
        )


def pod_ref(pod: PodFacts) -> PodRef:
    """Return a pod as a member of a role has it."""
    return PodRef(pod.namespace, pod.name, pod.uid, pod.node)


def _rounded(limit_s: float, waited_s: float) -> str:
    return f"{limit_s:g}" if waited_s >= limit_s else f"{waited_s:.0f}"


def reasons_of(pods: Iterable[tuple[str, Standing]]) -> tuple[str, ...]:
    """Return why pods do not run: each reason once, with who they are, at most three by name."""
    by_why: dict[str, list[str]] = defaultdict(list)
    for name, standing in pods:
        if standing.state != "running":
            by_why[standing.why].append(name)
    return tuple(f"{_some(names)}: {why}" for why, names in by_why.items())


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


_SHOWN = 3


def _next_step(reasons: Iterable[str], job: PodJob) -> str:
    text = " ".join(reasons)
    for sign, step in _STEPS.items():
        if sign in text:
            return step
    return f"see the events: kubectl -n {job.namespace} describe job {job.name}"


_STEPS = {
    UNSCHEDULABLE: "add nodes of the role, or ask for fewer pods, or for less CPU or memory of each",
    "Image": "see that the nodes can pull the image, or have it: its name, its registry, its pull secret",
    "OOM-killed": "give each pod more memory, or more pods the connections",
    "SysctlForbidden": "have the kubelets allow the sysctl, or leave the port range as it is",
}
