"""A pod that asks for routes from where the load leaves, and says what a program of ours has there."""

from __future__ import annotations

import asyncio
import base64
import itertools
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from seatrial.errors import EnvironmentFault
from seatrial.probe.facts import Facts
from seatrial.probe.looks import KernelLook
from seatrial.probe.question import Answer, Dead, numbers_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from seatrial.machine.address import Address
    from seatrial.pods.group import Group
    from seatrial.pods.talk import Talk
    from seatrial.probe.question import Question

START_LIMIT_S = 120.0
"""For its image to be pulled, too."""

INSIST_S = 2.0
"""A question that was not confirmed after so long is said again, over another stream."""

SILENT_LIMIT_S = 60.0
"""At work it says something every second; an API server that is away for a while is not its end."""

LIVE_LIMIT_S = 30.0
"""So long after the last time that one more was live: a controller on a busy machine takes minutes for a thousand."""


class PodProbe:
    """The one pod of a ``group``, of the role "probe", for as long as a run goes on: ``start`` and ``close`` it."""

    live_limit_s = LIVE_LIMIT_S

    def __init__(self, group: Group) -> None:
        self._group = group
        self._talk: Talk | None = None
        self._numbers = itertools.count()
        self._heard: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue()
        self._listener: asyncio.Task[None] | None = None
        self._asking = asyncio.Lock()
        self._facts: Facts | None = None
        self._seen = 0

    async def start(self, settings: Iterable[str] = (), limit_s: float = START_LIMIT_S) -> None:
        """Make the pod and wait until it has said its facts, the kernel ``settings`` of these names among them.

        Raises ``EnvironmentFault`` where it does not run, or does not answer; nothing is left of it then.
        """
        await self._group.start(limit_s)
        self._talk = self._group.talk(0)
        self._listener = asyncio.create_task(self._listen(self._talk))
        try:
            answer, _ = await self._answer({"cmd": "facts", "settings": list(settings)})
        except BaseException:
            await self.close()
            raise
        self._facts = Facts.of(answer)

    @property
    def facts(self) -> Facts:
        """What a program of ours has in a pod on that node; it has started."""
        assert self._facts is not None
        return self._facts

    @property
    def node(self) -> str:
        """The node that it is on; it has started."""
        return self._group.pods()[0].node

    async def ask(self, question: Question) -> Answer:
        """Have every pair of a question asked for once.

        Raises ``EnvironmentFault`` where the pod is lost, or cannot be heard. Called off, the pod stops asking.
        """
        answer, parts = await self._answer({"cmd": "prove", **question.document()})
        dead = numbers_of(part for message in parts for part in message.get("ranges", ()))
        if len(dead) != answer["dead"]:
            raise self._fault("has answered in part", "lines of its log are missing")
        named = tuple(Dead(*one) for message in parts for one in message.get("named", ()))
        return Answer(dead, answer["elsewhere"], named)

    async def certificate(
        self, endpoint: Address, ca_pem: str, server_name: str | None = None
    ) -> bytes | None:
        """Return the certificate that an endpoint shows to who connects anew, as DER; None where it shows none."""
        at = [endpoint.host, endpoint.port]
        answer, _ = await self._answer(
            {"cmd": "certificate", "endpoint": at, "ca_pem": ca_pem, "server_name": server_name}
        )
        return None if answer["der"] is None else base64.b64decode(answer["der"])

    async def networks(self, interval_s: float) -> Sequence[KernelLook]:
        """Return its looks at the network that the pod is in since it was asked for the last time, and one of now.

        It looks every ``interval_s`` from the first question on. Raises as ``ask`` does; the looks are returned the
        next time then.
        """
        command = {"cmd": "network", "interval_s": interval_s, "after": self._seen}
        answer, parts = await self._answer(command)
        looks = [KernelLook.of(look) for part in parts for look in part["looks"]]
        if len(looks) != answer["looks"]:
            raise self._fault("has answered in part", "lines of its log are missing")
        self._seen = looks[-1].number
        return looks

    def failure(self) -> str | None:
        """Say how the pod was lost, or None."""
        return next(iter(self._group.ended()), None)

    async def close(self) -> None:
        """Delete the pod."""
        await self._group.close()
        if self._listener is not None:
            await self._listener

    async def _answer(self, command: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
        """Ask; return the answer, and what was said before it that is part of it."""
        async with self._asking:
            assert self._talk is not None
            numbered = {**command, "id": next(self._numbers)}
            self._talk.send(numbered)
            try:
                return await self._answered(numbered)
            except asyncio.CancelledError:
                self._talk.send({"cmd": "give up", "id": numbered["id"]})
                raise

    async def _answered(
        self, command: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
        is_confirmed = False
        parts: list[Mapping[str, Any]] = []
        while (message := await self._next(command, is_confirmed=is_confirmed)) is not None:
            is_confirmed = True
            if message["type"] == "failed":
                raise self._fault("cannot answer", message["what"])
            if message["type"] == "part":
                parts.append(message)
            elif message["type"] != "asking":
                return message, parts
        raise self._lost()

    async def _next(self, command: Mapping[str, Any], *, is_confirmed: bool) -> Mapping[str, Any] | None:
        """Return the next that it says to a question; None where it says nothing more."""
        assert self._talk is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(SILENT_LIMIT_S):
                while True:
                    message: Mapping[str, Any] | None = None
                    try:
                        limit_s = None if is_confirmed else INSIST_S
                        async with asyncio.timeout(limit_s):
                            message = await self._heard.get()
                    except TimeoutError:
                        self._talk.send(command, anew=True)
                        continue
                    # An answer to a question that was called off is not the answer to this one.
                    if message is None or message.get("id") == command["id"]:
                        return message
        raise self._fault(f"has not been heard for {SILENT_LIMIT_S:g} s", self._talk.state)

    async def _listen(self, talk: Talk) -> None:
        async for message in talk.messages():
            self._heard.put_nowait(message)
        self._heard.put_nowait(None)

    def _lost(self) -> EnvironmentFault:
        # Whoever asks again hears the same.
        self._heard.put_nowait(None)
        assert self._talk is not None
        standing = self._talk.standing
        return self._fault("was left" if standing is None else standing.why, self._talk.words)

    def _fault(self, what: str, cause: str) -> EnvironmentFault:
        return EnvironmentFault(
            f"the probe, {self._group.name(0)}, {what}",
            cause=cause or None,
            next_step="see its log and its events: kubectl logs, kubectl describe pod",
        )
