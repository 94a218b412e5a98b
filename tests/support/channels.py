"""Workers that are played: what each says is the test's, and what it is asked is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import fields
from typing import Any

from seatrial._version import __version__
from seatrial.generator.frames import Frame

SPEC: dict[str, Any] = {"held": 2, "active": 1}
EMPTY: Mapping[str, Any] = {"int": 0, "str": "", "Mapping[str, int]": {}, "tuple[PhasePart, ...]": []}
EMPTY_FRAME = {one.name: EMPTY[str(one.type)] for one in fields(Frame) if one.name not in {"worker", *SPEC}}


class SimulatedChannel:
    """A worker whose messages a test says, with ``say`` and ``end``."""

    lead_ns = 0
    clock = None

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.index: int = spec["worker"]
        self.name = f"worker {self.index}"
        self.commands: list[str] = []
        self._messages: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._ending = (0, "")
        self._has_ended = False

    def say(self, kind: str, **content: Any) -> None:
        self._messages.put_nowait({"type": kind, **content})

    def hello(self) -> None:
        self.say(
            "hello", worker=self.index, pid=100 + self.index, driver="epoll", timestamps="kernel",
            resolution_ns=0, descriptor_limit=100, engine=__version__,
        )  # fmt: skip

    def frame(self, **changes: Any) -> None:
        self.say("frame", worker=self.index, **(EMPTY_FRAME | SPEC | changes))

    def done(self, measured_ns: int = 0) -> None:
        self.say(
            "done",
            worker=self.index,
            measured_ns=measured_ns,
            clock_steps=0,
            routes=[],
            unexpected=[],
            pss_bytes=0,
        )

    def end(self, code: int = 0, words: str = "") -> None:
        if not self._has_ended:
            self._has_ended, self._ending = True, (code, words)
            self._messages.put_nowait(None)

    def send(self, command: Mapping[str, Any]) -> None:
        self.commands.append(command["cmd"])

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        while (message := await self._messages.get()) is not None:
            yield message

    def silence(self) -> str:
        return ""

    async def ended(self) -> tuple[int, str]:
        return self._ending

    async def close(self) -> None:
        self.end()


class Opener:
    """Opens simulated channels, and keeps them; each says hello unless it is not to."""

    def __init__(self, *, silent: tuple[int, ...] = ()) -> None:
        self.channels: list[SimulatedChannel] = []
        self._silent = silent

    async def open(self, spec: Mapping[str, Any]) -> SimulatedChannel:
        channel = SimulatedChannel(spec)
        self.channels.append(channel)
        if channel.index not in self._silent:
            channel.hello()
        return channel


def specs(count: int) -> list[dict[str, Any]]:
    return [{**SPEC, "worker": index} for index in range(count)]
