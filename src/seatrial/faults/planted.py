"""The faults that are in force, which of them befall a call, and how often each has."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from seatrial.faults.fault import AnyFault, Fault
from seatrial.seeds import derive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FAULTS_LIMIT = 100
"""Faults at a time: each call looks at all of them."""
# The 99th percentile of the standard normal distribution.
_Z99 = 2.3263478740408408


class TooManyFaults(Exception):
    """There are as many as there may be."""


@dataclass(slots=True)
class Planted(Generic[AnyFault]):
    """A fault that is in force, since a moment of CLOCK_MONOTONIC; ``done`` is how often it has happened."""

    id: int
    fault: AnyFault
    since_ns: int
    done: int = 0

    def is_over(self, now_ns: int) -> bool:
        """Whether it does not happen any more."""
        fault = self.fault
        return (fault.count is not None and self.done >= fault.count) or (
            fault.for_s is not None and now_ns >= self.since_ns + fault.for_s * 1e9
        )

    def document(self, now_ns: int) -> dict[str, Any]:
        """Return it as the control API has it."""
        return {
            "id": self.id,
            "fault": self.fault.document(),
            "done": self.done,
            "is_over": self.is_over(now_ns),
        }


class Faults(Generic[AnyFault]):
    """All that were planted, in order. Which calls a share befalls is drawn from the seed of a program.

    ``model`` is how they are written; ``now_ns`` gives moments of CLOCK_MONOTONIC.
    """

    def __init__(self, model: type[AnyFault], program: str, seed: int, now_ns: Callable[[], int]) -> None:
        self.model = model
        self.now_ns = now_ns
        self._random = random.Random(derive(seed, program, "faults"))
        self._planted: dict[int, Planted[AnyFault]] = {}
        self._last = 0

    def __iter__(self) -> Iterator[Planted[AnyFault]]:
        return iter(self._planted.values())

    def __len__(self) -> int:
        return len(self._planted)

    def plant(self, faults: Iterable[AnyFault]) -> list[Planted[AnyFault]]:
        """Put them in force, all or none; raises ``TooManyFaults``."""
        new = list(faults)
        if len(self._planted) + len(new) > FAULTS_LIMIT:
            raise TooManyFaults
        now_ns = self.now_ns()
        planted = [Planted(self._last + at, fault, now_ns) for at, fault in enumerate(new, 1)]
        self._last += len(new)
        self._planted |= {one.id: one for one in planted}
        return planted

    def lift(self, identity: int) -> bool:
        """Take one away; return whether it was there."""
        return self._planted.pop(identity, None) is not None

    def lift_all(self) -> None:
        """Take all away."""
        self._planted.clear()

    def befalling(self, is_about: Callable[[AnyFault], bool]) -> tuple[float, Planted[AnyFault] | None]:
        """Return the seconds by which a call is late, and what else befalls it; ``is_about`` says which may.

        What is returned is counted as done, but for the kinds that are counted later.
        """
        latency_s: float = 0.0
        found: Planted[AnyFault] | None = None
        now_ns = self.now_ns()
        for planted in self._planted.values():
            if planted.is_over(now_ns) or not is_about(planted.fault):
                continue
            is_latency = planted.fault.kind == "latency"
            if (found is not None and not is_latency) or not self._happens(planted.fault):
                continue
            planted.done += planted.fault.kind not in planted.fault.counted_later
            if is_latency:
                latency_s += self._latency_s(planted.fault)
            else:
                found = planted
        return latency_s, found

    def _happens(self, fault: Fault) -> bool:
        return fault.share >= 1 or self._random.random() < fault.share

    def _latency_s(self, fault: Fault) -> float:
        if fault.p50_s is None or fault.p99_s is None:
            return fault.time_s or 0.0
        # Log-normal, by two of its quantiles.
        sigma = math.log(fault.p99_s / fault.p50_s) / _Z99
        return fault.p50_s * math.exp(sigma * self._random.gauss(0.0, 1.0))
