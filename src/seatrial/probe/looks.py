"""Looks at the network that the program is in, taken by itself and kept until they are asked for.

Each question costs the nodes on its way more CPU than a look does here, and a load beside it feels that: so looks are
often, and questions are not.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from seatrial.machine.counters.network import conntrack, interfaces, own_limits, softnet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INTERFACES_LIMIT = 16
"""Of a node that has more, those that bytes went through most: some 2 KiB of a line."""
KEPT = 150
"""What comes together in five minutes in which nobody can ask; the oldest are dropped first."""


@dataclass(frozen=True, slots=True)
class KernelLook:
    """A look by its number, how old it was when it was answered, and what the kernel counted, by name.

    See ``machine/counters/network.py`` for both kinds of counts. Numbers go up, from 1 on.
    """

    number: int
    age_s: float
    values: Mapping[str, float]
    interfaces: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return the look of a document."""
        return cls(document["number"], document["age_s"], document["values"], document["interfaces"])


class Looks:
    """Looks every ``interval_s`` from its beginning on, in a thread that ends with the program."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._kept: deque[tuple[int, float, dict[str, Any]]] = deque(maxlen=KEPT)
        self._taken, self._guard = 0, threading.Lock()
        threading.Thread(target=self._go_on, daemon=True).start()

    def after(self, number: int) -> list[dict[str, Any]]:
        """Look once more, and return all looks after that number as JSON has them; those until then are let go."""
        with self._guard:
            self._take()
            while self._kept and self._kept[0][0] <= number:
                self._kept.popleft()
            now_s = time.monotonic()
            return [{"number": at, "age_s": now_s - at_s, **seen} for at, at_s, seen in self._kept]

    def _go_on(self) -> None:
        while True:
            time.sleep(self._interval_s)
            with self._guard:
                self._take()

    def _take(self) -> None:
        self._taken += 1
        self._kept.append((self._taken, time.monotonic(), _look()))


def _look() -> dict[str, Any]:
    net = Path("/proc/net")
    values = {**conntrack(net), **own_limits(Path("/proc/sys/net")), **softnet(net)}
    found = interfaces(net, Path("/sys/class/net"))
    # A node has two for each of its pods. What most goes through is what a load comes by.
    most = sorted(found, key=lambda name: found[name][0] + found[name][4], reverse=True)[:INTERFACES_LIMIT]
    return {"values": values, "interfaces": {name: found[name] for name in most}}
