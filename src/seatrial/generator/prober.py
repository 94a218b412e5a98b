"""The conversation with a prober: what it is to look for, what it has seen, and when all of it is settled."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.errors import GeneratorFault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from seatrial.generator.channel import Channel

READY_LIMIT_S = 30.0
LAST_WORDS_LIMIT_S = 15.0
_S = 1e-9


@dataclass(frozen=True, slots=True)
class Answers:
    """Some answers, with what came in place of one: the first was asked for at ``from_s``, the last came ``to_s``."""

    count: int
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a prober says of a watch at one of its ``replicas``, by their numbers; times are CLOCK_MONOTONIC seconds.

    It came about after ``after_s`` and by ``at_s``, where it is the first answer that is as it should be, or begins the
    row of them that makes it ``is_settled`` and ``is_stable``. Without such a row ``at_s`` is 0. Of the ``answers``
    those were ``lost`` and ``stale``; None is none of them. See ``crates/prober/src/report.rs``.
    """

    watch: int
    replica: int
    over: str
    after_s: float
    at_s: float
    is_settled: bool
    is_stable: bool
    relapses: int
    answers: Mapping[str, int]
    lost: Answers | None = None
    stale: Answers | None = None

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Sighting:
        """Return it from a message of type ``first`` or ``settled``."""
        return cls(
            watch=message["id"],
            replica=message["replica"],
            over=message["over"],
            after_s=message["after_ns"] * _S,
            at_s=message["heard_ns"] * _S,
            is_settled=message["type"] == "settled",
            is_stable=message.get("is_stable", False),
            relapses=message.get("relapses", 0),
            answers=message.get("answers", {}),
            lost=_answers(message.get("lost")),
            stale=_answers(message.get("stale")),
        )


def _answers(message: Mapping[str, int] | None) -> Answers | None:
    if not message or not message["count"]:
        return None
    return Answers(message["count"], message["sent_ns"] * _S, message["heard_ns"] * _S)


@dataclass(frozen=True, slots=True)
class Probed:
    """What a prober has done in all: probes sent, by how much the latest of them was late, and its CPU time."""

    probes: int
    late_s_max: float
    cpu_s: float


class Prober:
    """One prober, of which ``on_sighting`` hears what it sees; methods raise ``GeneratorFault`` where it is lost."""

    def __init__(
        self, open_one: Callable[[], Awaitable[Channel]], on_sighting: Callable[[Sighting], None]
    ) -> None:
        self._open, self._on_sighting = open_one, on_sighting
        self._channel: Channel | None = None
        self._listening: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._heard = asyncio.Event()
        self._open_places: dict[int, int] = {}
        self._probed: Probed | None = None

    async def start(self) -> None:
        """Start it, and wait until it has its connections."""
        self._channel = await self._open()
        self._listening = asyncio.create_task(self._listen(self._channel))
        await self._until(self._ready.is_set, READY_LIMIT_S, "has no connections to every proxy")

    def watch(self, number: int, host: str, path: str, by: Sequence[str], places: int, **more: Any) -> None:
        """Look for a route from now on, at so many ``places``: replicas, over each kind of connections.

        ``more`` is ``before``, ``gone`` and ``over``: see ``crates/prober/src/control.rs``.
        """
        self._open_places[number] = places
        self._send({"cmd": "watch", "id": number, "host": host, "path": path, "by": list(by), **more})

    async def settled(self) -> None:
        """Wait until everything that is looked for is settled."""
        await self._until(lambda: not self._open_places, None, "")

    async def require_alive(self) -> None:
        """Raise where it has ended: what it was to see nobody has seen."""
        if self._listening is not None and self._listening.done():
            raise await self._lost()

    async def finish(self) -> Probed | None:
        """End it in order, and return what it has done; None where it does not say."""
        self._send({"cmd": "stop"})
        if self._listening is not None:
            await asyncio.wait((self._listening,), timeout=LAST_WORDS_LIMIT_S)
        return self._probed

    async def close(self) -> None:
        """End it, whatever state it is in."""
        if self._channel is not None:
            await self._channel.close()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    def _send(self, command: Mapping[str, Any]) -> None:
        if self._channel is not None:
            self._channel.send(command)

    async def _until(self, is_so: Callable[[], bool], limit_s: float | None, what: str) -> None:
        assert self._listening is not None
        try:
            async with asyncio.timeout(limit_s):
                while not is_so():
                    if self._listening.done():
                        raise await self._lost()
                    self._heard.clear()
                    heard = asyncio.ensure_future(self._heard.wait())
                    await asyncio.wait((heard, self._listening), return_when=asyncio.FIRST_COMPLETED)
                    heard.cancel()
        except TimeoutError:
            raise GeneratorFault(
                f"the prober {what} after {limit_s:g} s",
                next_step="see whether each proxy takes connections where the system says that it does",
            ) from None

    async def _listen(self, channel: Channel) -> None:
        async for message in channel.messages():
            self._take(message)
            self._heard.set()

    def _take(self, message: Mapping[str, Any]) -> None:
        match message["type"]:
            case "ready":
                self._ready.set()
            case "first" | "settled":
                sighting = Sighting.of(message)
                if sighting.is_settled:
                    self._settle(sighting.watch)
                self._on_sighting(sighting)
            case "done":
                cpu_ns = message["cpu_user_ns"] + message["cpu_system_ns"]
                self._probed = Probed(message["probes"], message["late_ns_max"] * _S, cpu_ns * _S)

    def _settle(self, watch: int) -> None:
        left = self._open_places.get(watch, 1) - 1
        if left:
            self._open_places[watch] = left
        else:
            self._open_places.pop(watch, None)

    async def _lost(self) -> GeneratorFault:
        assert self._channel is not None
        status, words = await self._channel.ended()
        return GeneratorFault(
            "the prober was lost",
            cause=words or (None if status is None else f"it ended with status {status}"),
            next_step="run again; if it happens again, it is a bug in Seatrial",
        )
