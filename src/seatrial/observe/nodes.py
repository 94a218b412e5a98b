"""Samples of the networks of nodes: what a pod cannot count, since it is the node's kernel that does.

All that comes to a pod comes by its node: through its interfaces, and on most clusters through its table of tracked
connections. Where that is full, new connections are dropped, and nothing in any pod says so.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from seatrial.cluster.objects import WINDOW, in_window
from seatrial.errors import SeatrialError
from seatrial.observe.samples import Interface, NetworkSample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from seatrial.machine.members import Role
    from seatrial.probe.looks import KernelLook

LOOK_EVERY_S, ASK_EVERY_S = 2.0, 10.0
"""A probe looks by itself and is asked more seldom: an answer comes through the node's kubelet, a look does not."""
READ_LIMIT_S = 4.0
LEAST_ANSWERS = 2
"""What was counted lies between two."""


class NodeProbe(Protocol):
    """Reads what the kernel of one node counts."""

    async def networks(self, interval_s: float) -> Sequence[KernelLook]:
        """Return its looks at the node's own network, every ``interval_s``, that it has not yet returned.

        The last is of now. Raises ``SeatrialError``.
        """


class NodeProbes(Protocol):
    """The probes of a run's nodes."""

    def on(self, node: str) -> NodeProbe | None:
        """Return the one on a node; None where it does not run yet, or will not: it is started when asked for."""

    def why_not(self, node: str) -> str:
        """Return why there is none on a node; empty where there is one, or will be."""


class NodeNetworks:
    """Reads the networks of the nodes that members of one trial are on."""

    def __init__(self, probes: NodeProbes) -> None:
        self._probes = probes
        self._readings: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._why: dict[str, str] = {}
        self._since_s = time.monotonic()
        self._due_s: dict[str, float] = {}

    async def look(
        self, roles: Mapping[str, tuple[Role, ...]], *, at_once: bool = False
    ) -> list[NetworkSample]:
        """Ask each node's probe whose turn it is, or all ``at_once``; return its looks until now.

        Those without a probe, and those that do not answer, are left out.
        """
        now_s = time.monotonic()
        asked = [one for one in roles.items() if at_once or now_s >= self._due_s.get(one[0], 0.0)]
        found = await in_window(asked, lambda one: self._read(*one), WINDOW)
        return [sample for of_node in found for sample in of_node]

    def remarks(self) -> Iterator[str]:
        """Yield what could not be known, and why."""
        for node, failures in sorted(self._failures.items()):
            yield (
                f"what the kernel of node {node} counts could not be read {failures:,} of {self._readings[node]:,}"
                f" times: {self._why[node]}"
            )
        for node in sorted(self._readings):
            why = self._probes.why_not(node)
            if not why and not self._failures[node] and self._answers[node] < LEAST_ANSWERS:
                why = "its probe ran only at the end of the trial"
            if why:
                yield f"not known: what the kernel of node {node} counts: {why}"

    async def _read(self, node: str, roles: tuple[Role, ...]) -> Sequence[NetworkSample]:
        self._readings[node] += 1
        probe = self._probes.on(node)
        if probe is None:
            return ()
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(READ_LIMIT_S):
                looks = await probe.networks(LOOK_EVERY_S)
        except SeatrialError as error:
            self._failed(node, error.line)
            return ()
        except TimeoutError:
            self._failed(node, f"no answer within {READ_LIMIT_S:g} s")
            return ()
        self._due_s[node] = began_s + ASK_EVERY_S
        answered_s = (began_s + time.monotonic()) / 2
        samples = [_sample(node, roles, answered_s - look.age_s, look) for look in looks]
        # A probe looks on between the trials.
        own = [sample for sample in samples if sample.at_s >= self._since_s]
        self._answers[node] += len(own)
        return own

    def _failed(self, node: str, why: str) -> None:
        self._failures[node] += 1
        self._why[node] = why


def _sample(node: str, roles: tuple[Role, ...], at_s: float, look: KernelLook) -> NetworkSample:
    return NetworkSample(
        at_s=at_s,
        network=f"node {node}",
        roles=roles,
        values=look.values,
        interfaces={name: Interface._make(counts) for name, counts in look.interfaces.items()},
        node=node,
    )
