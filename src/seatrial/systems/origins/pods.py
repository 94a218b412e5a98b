"""Seatrial's own origin as pods of a cluster: each is asked for its counts as a process is; who is lost is named."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from seatrial.errors import SystemFault
from seatrial.machine.address import Address
from seatrial.machine.members import Member
from seatrial.pods.group import RUNNING_LIMIT_S, pod_ref
from seatrial.systems.origins.asking import Asking, added_up, dealt, specification
from seatrial.systems.origins.seatrial import READY_LIMIT_S, STOP_LIMIT_S, with_tls

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from seatrial.machine.address import Endpoint
    from seatrial.machine.processes.programs import BinaryInfo
    from seatrial.pods.group import Group
    from seatrial.systems.base import Launch
    from seatrial.systems.counters import OriginCounts
    from seatrial.systems.origins.options import OriginPlan

PORT = 8080
"""The first of the ports that each pod listens on; a process without privileges may."""

COUNT_LIMIT_S = 30.0
"""An answer comes through the log of the pod: where the API server is away for a while, it comes after that."""


def pods_for(processes: int, addresses: int) -> int:
    """Return how many pods there are to be for an origin of so many processes: none without an address."""
    return min(processes, addresses)


class PodOrigin:
    """A pod of the group for each of its programs; there are no more than ``pods_for`` says.

    Its addresses are dealt to the pods in turns, so a service of several endpoints is on several of them: the k-th is
    of pod k modulo their number, at the next of its ports.
    """

    def __init__(self, plan: OriginPlan, group: Group, seed: int = 1) -> None:
        self._plan, self._group, self._seed = plan, group, seed
        self._pods: list[_Pod] = []

    async def start(self, launch: Launch) -> tuple[Endpoint, ...]:
        """Make the pods and wait until each listens; see ``Origin.start``."""
        await self._group.start(RUNNING_LIMIT_S)
        found = self._group.pods()
        listens = [
            Address(found[number % len(found)].address, PORT + number // len(found))
            for number in range(launch.listens)
        ]
        try:
            for index in range(len(found)):
                own = listens[index :: len(found)]
                asked = specification(self._plan, own, self._seed + index, len(found))
                self._pods.append(_Pod(self._group, index, with_tls(asked, launch.certificate)))
            await asyncio.gather(*(pod.ready() for pod in self._pods))
        except BaseException:
            await self.stop()
            raise
        return tuple(map(launch.endpoint, listens))

    async def counts(self) -> OriginCounts:
        """Add up what the pods count; exact, and kept after ``stop``."""
        answers = await asyncio.gather(*(pod.counts() for pod in self._pods))
        return added_up(answers, dealt(answers))

    async def pause(self, endpoints: Collection[int]) -> None:
        """See ``Origin.pause``: each pod has those of them stand still that are its own."""
        count = len(self._pods)
        own = [[at // count for at in endpoints if at % count == index] for index in range(count)]
        await asyncio.gather(*(pod.pause(still) for pod, still in zip(self._pods, own, strict=True)))

    def members(self) -> tuple[Member, ...]:
        """Return its pods; no process of it runs here."""
        return tuple(Member("origin", pod.name, (), pod_ref(pod)) for pod in self._group.pods() if self._pods)

    def failure(self) -> str | None:
        """Say which pod was lost, and how."""
        return next((lost for pod in self._pods if (lost := pod.lost())), None)

    def version(self) -> BinaryInfo | None:
        """Return nothing: what runs is in the image."""
        return None

    async def stop(self) -> None:
        """Have every pod finish what it is answering and give its last counts, and delete them."""
        try:
            await asyncio.gather(*(pod.stop() for pod in self._pods))
        finally:
            await self._group.close()


class _Pod:
    def __init__(self, group: Group, index: int, spec: Mapping[str, Any]) -> None:
        self._name = group.name(index)
        self._talk = group.talk(index)
        self._asking = Asking(self._talk.send, self._fault)
        self._is_stopping = False
        self._talk.send(spec)
        self._listener = asyncio.create_task(self._listen())

    async def ready(self) -> None:
        try:
            async with asyncio.timeout(READY_LIMIT_S):
                await self._asking.ready.wait()
        except TimeoutError:
            raise self._fault(f"was not ready after {READY_LIMIT_S:g} s ({self._talk.state})") from None
        if (lost := self._talk.standing) is not None:
            raise self._fault(lost.why)

    async def counts(self) -> Mapping[str, Any]:
        return await self._asking.counts(COUNT_LIMIT_S)

    async def pause(self, endpoints: Collection[int]) -> None:
        await self._asking.pause(endpoints, COUNT_LIMIT_S)

    def lost(self) -> str | None:
        standing = self._talk.standing
        return None if self._is_stopping or standing is None else f"origin {self._name} {standing.why}"

    async def stop(self) -> None:
        self._is_stopping = True
        if self._talk.standing is None:
            self._talk.send({"cmd": "stop"})
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_LIMIT_S):
                    await self._asking.is_over.wait()
        await self._talk.close()
        await self._listener

    async def _listen(self) -> None:
        async for message in self._talk.messages():
            self._asking.heard(message)
        self._asking.ended()

    def _fault(self, what: str) -> SystemFault:
        return SystemFault(
            f"the origin's {self._name} {what}",
            cause=self._talk.words or None,
            next_step="see its log and its events: kubectl logs, kubectl describe pod",
        )
