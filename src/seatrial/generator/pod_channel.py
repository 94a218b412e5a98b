"""The conversation with a worker that is a pod, with its times put onto our clock at the door."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from seatrial.generator.clocks import Clocks, Offset, WorkerClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from seatrial.generator.channel import Channel
    from seatrial.pods.group import Group
    from seatrial.pods.talk import Talk

LEAD_NS = 2_000_000_000
"""A word to a pod takes milliseconds; one that has to be said again, over a new stream, a second or so."""

FIRST_PINGS, ANSWER_S = 10, 0.5
"""A clock is asked so often before its worker is called ready, and each answer is waited for so long: by a clock that
nobody knows no schedule is to be announced."""

PING_S = 5.0
"""Asked on, its drift is known, and nothing in between takes the stream for unused."""

INSIST_S = 1.0
"""A start that a worker has not confirmed after so long is announced again, over another stream."""


class PodChannels:
    """Opens the channels to the pods of a group that has started, one for each spec; see ``Open``.

    A pod that is given a spec again, once the channel of its last is closed, begins anew with it.
    """

    def __init__(self, group: Group) -> None:
        self._group = group
        self._clocks = Clocks()
        self._at_work: set[int] = set()

    async def open(self, spec: Mapping[str, Any]) -> Channel:
        """Give the pod of the spec's number its spec."""
        index = spec["worker"]
        name = f"worker {index} ({self._group.name(index)})"
        talk = self._group.talk(index)
        if index in self._at_work:
            talk.send({"cmd": "again"})
        self._at_work.add(index)
        return PodChannel(talk, name, spec, self._clocks)


class PodChannel:
    """A worker that is a pod. ``clocks`` is shared by those of one load."""

    lead_ns = LEAD_NS

    def __init__(self, talk: Talk, name: str, spec: Mapping[str, Any], clocks: Clocks) -> None:
        self.name = name
        self._talk = talk
        self._worker: int = spec["worker"]
        self._clocks = clocks
        self._clock: str | None = None
        self._at_start: Offset | None = None
        self._asked_ns: dict[int, int] = {}
        self._spec_ns = time.monotonic_ns()
        self._answers = 0
        self._answered, self._confirmed = asyncio.Event(), asyncio.Event()
        self._is_known = False
        self._ready: dict[str, Any] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        talk.send(spec)

    @property
    def clock(self) -> WorkerClock | None:
        """How its clock differs from ours; None before a start was announced."""
        if self._clock is None or self._at_start is None:
            return None
        now = self._clocks.offset(self._clock)
        start = self._at_start
        return WorkerClock(self._worker, start.offset_ns, start.error_ns, now.offset_ns - start.offset_ns)

    def send(self, command: Mapping[str, Any]) -> None:
        """Give it a command; the moment of a start is put onto its clock, and said until it is confirmed."""
        if command["cmd"] != "go" or self._clock is None:
            self._talk.send(command)
            return
        # What follows is measured by one and the same difference, however much better it is known later.
        self._at_start = self._clocks.offset(self._clock)
        start = {**command, "at_ns": command["at_ns"] + self._at_start.offset_ns}
        self._talk.send(start)
        self._tasks.append(asyncio.create_task(self._insist(start)))

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Yield its messages to the end, with times on our clock."""
        async for message in self._talk.messages():
            if message["type"] == "hello":
                self._clock = message["boot_id"]
                self._took(self._spec_ns, message["monotonic_ns"])
                self._tasks.append(asyncio.create_task(self._ping()))
            elif message["type"] == "going":
                self._confirmed.set()
            if message["type"] == "pong":
                self._take_answer(message)
            elif message["type"] == "ready":
                self._ready = message
            else:
                yield self._on_our_clock(message)
            if self._ready is not None and self._is_known:
                yield self._ready
                self._ready = None

    async def ended(self) -> tuple[int | None, str]:
        """Return no exit status, which says little of a pod, and how it ended."""
        standing, words = self._talk.standing, self._talk.words
        why = "was left" if standing is None else standing.why
        return None, f"{why}: {words}" if words else why

    async def close(self) -> None:
        """Say and hear nothing more; the conversation ends with the Job of the pod."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._talk.leave()

    def silence(self) -> str:
        """Say since when nothing has come, and how the pod stands."""
        return self._talk.state

    def _take_answer(self, pong: Mapping[str, Any]) -> None:
        if (asked_ns := self._asked_ns.pop(pong["id"], None)) is not None:
            self._took(asked_ns, pong["at_ns"])
            self._answers += 1
            self._is_known = self._is_known or self._answers >= FIRST_PINGS
            self._answered.set()

    def _took(self, asked_ns: int, shown_ns: int) -> None:
        assert self._clock is not None
        self._clocks.answered(self._clock, asked_ns=asked_ns, shown_ns=shown_ns, heard_ns=time.monotonic_ns())

    def _on_our_clock(self, message: dict[str, Any]) -> dict[str, Any]:
        moments = _MOMENTS.get(message["type"])
        if moments is None or self._clock is None:
            return message
        offset = self._at_start or self._clocks.offset(self._clock)
        return _moved(message, moments, offset.offset_ns)

    async def _ping(self) -> None:
        for number in itertools.count():
            self._answered.clear()
            self._talk.send_made(partial(self._question, number))
            if number < FIRST_PINGS:
                with suppress(TimeoutError):
                    async with asyncio.timeout(ANSWER_S):
                        await self._answered.wait()
            else:
                # Of one that does not answer nothing better will be known.
                self._is_known = True
                await asyncio.sleep(PING_S)

    def _question(self, number: int) -> dict[str, Any]:
        self._asked_ns[number] = time.monotonic_ns()
        return {"cmd": "ping", "id": number}

    async def _insist(self, start: Mapping[str, Any]) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(INSIST_S):
                    await self._confirmed.wait()
                return
            self._talk.send(start, anew=True)


_SIGHTING = ("after_ns", "sent_ns", "heard_ns")
_MOMENTS = {
    "frame": ("start_ns", "end_ns"),
    "going": ("at_ns", "heard_ns"),
    "first": _SIGHTING,
    "settled": _SIGHTING,
}
_WITHIN = {"lost": ("sent_ns", "heard_ns"), "stale": ("sent_ns", "heard_ns")}
"""What has moments of its own in a message that has some."""


def _moved(message: Mapping[str, Any], moments: Sequence[str], offset_ns: int) -> dict[str, Any]:
    # What never came has no moment, which is 0.
    moved = {name: message[name] - offset_ns for name in moments if message[name]}
    within = {name: _moved(message[name], own, offset_ns) for name, own in _WITHIN.items() if name in message}
    return {**message, **moved, **within}
