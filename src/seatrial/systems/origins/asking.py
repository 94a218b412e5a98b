"""What an origin of ours is told and asked, wherever it runs: its specification, and its counts."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from seatrial.systems.counters import OriginCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from seatrial.errors import SystemFault
    from seatrial.machine.address import Address
    from seatrial.systems.origins.options import OriginPlan

ANSWER_LIMIT_S = 10.0


class Asking:
    """One of an origin's programs: what it has said, and what it is asked; ``fault`` makes an error of words."""

    def __init__(self, send: Callable[[dict[str, Any]], None], fault: Callable[[str], SystemFault]) -> None:
        self.ready = asyncio.Event()
        """Set once it listens, or has ended."""
        self.is_over = asyncio.Event()
        """Set once it has given its last counts, or has ended without."""
        self._send, self._fault = send, fault
        self._has_ended = False
        self._asking = asyncio.Lock()
        self._answers: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue()
        self._final: Mapping[str, Any] | None = None

    def heard(self, message: Mapping[str, Any]) -> None:
        """Take what it says."""
        if message["type"] == "ready":
            self.ready.set()
        elif message["type"] in {"counts", "paused"}:
            if message.get("final"):
                self._final = message
                self.is_over.set()
            self._answers.put_nowait(message)

    def ended(self) -> None:
        """Hear that it says nothing more."""
        self._has_ended = True
        self.ready.set()
        self.is_over.set()
        self._answers.put_nowait(None)

    async def counts(self, limit_s: float | None = None) -> Mapping[str, Any]:
        """Ask for counts, or return the last ones where it has ended after giving them; raises ``SystemFault``.

        Without a limit of its own an answer has ``ANSWER_LIMIT_S``.
        """
        async with self._asking:
            if self._final is not None:
                return self._final
            return await self._asked({"cmd": "counts"}, "counts", limit_s or ANSWER_LIMIT_S)

    async def pause(self, endpoints: Collection[int], limit_s: float | None = None) -> None:
        """Have these endpoints stand still and all others go on, and wait until they do; see ``counts``."""
        question = {"cmd": "pause", "endpoints": sorted(endpoints)}
        async with self._asking:
            await self._asked(question, "paused", limit_s or ANSWER_LIMIT_S)

    async def _asked(self, question: dict[str, Any], answered_with: str, limit_s: float) -> Mapping[str, Any]:
        # An answer that came after its question had been given up is not the answer to this one.
        while not self._answers.empty():
            self._answers.get_nowait()
        if self._has_ended:
            raise self._fault("has ended and taken its counts with it")
        self._send(question)
        try:
            async with asyncio.timeout(limit_s):
                while (answer := await self._answers.get()) and answer["type"] != answered_with:
                    pass
        except TimeoutError:
            raise self._fault(f"did not answer within {limit_s:g} s") from None
        if answer is None:
            raise self._fault("has ended and taken its counts with it")
        return answer


def added_up(answers: Sequence[Mapping[str, Any]], by_endpoint: tuple[int, ...]) -> OriginCounts:
    """Return what all programs of an origin have counted together; ``by_endpoint`` is ``shared`` or ``dealt``."""
    by_route: Counter[str] = Counter()
    for answer in answers:
        by_route.update(answer["routes"])
    return OriginCounts(
        requests=sum(answer["requests"] for answer in answers),
        by_route=dict(by_route),
        by_endpoint=by_endpoint,
        connections_active=sum(answer["connections_active"] for answer in answers),
        connections_accepted=sum(answer["connections_accepted"] for answer in answers),
    )


def shared(answers: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
    """Return the requests at each address, where every program listens on all of them."""
    return tuple(map(sum, zip(*(answer["endpoints"] for answer in answers), strict=True)))


def dealt(answers: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
    """Return the requests at each address, where one after another was dealt to the programs in turns."""
    rounds = zip_longest(*(answer["endpoints"] for answer in answers))
    return tuple(count for of_each in rounds for count in of_each if count is not None)


def specification(plan: OriginPlan, listens: Sequence[Address], seed: int, programs: int) -> dict[str, Any]:
    """Return what one of so many ``programs`` of an origin reads first, but for its certificate."""
    delay, capacity_per_s = plan.delay, plan.capacity_per_s
    return {
        "listen": [{"host": listen.host, "port": listen.port} for listen in listens],
        "body_bytes": plan.body_bytes,
        "status": plan.status,
        "delay": {
            "kind": delay.kind,
            "mean_us": _microseconds(delay.mean_s),
            "low_us": _microseconds(delay.low_s),
            "high_us": _microseconds(delay.high_s),
        },
        "capacity_per_s": None if capacity_per_s is None else capacity_per_s / programs,
        "routes": [],
        "seed": seed,
        "reuse_port": True,
    }


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)
