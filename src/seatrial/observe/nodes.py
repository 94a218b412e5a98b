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

READ_LIMIT_S = 4.0
LEAST_ANSWERS = 2
"""What was counted lies between two."""


class NodeProbe(Protocol):
    """Reads what the kernel of one node counts."""

    async def network(self) -> tuple[Mapping[str, float], Mapping[str, Sequence[int]]]:
        """Return what it counts of the node's own network, and of its interfaces; raises ``SeatrialError``."""


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

    async def look(self, roles: Mapping[str, tuple[Role, ...]]) -> list[NetworkSample]:
        """Read every node once, side by side; those without a probe, and those that do not answer, are left out."""
        found = await in_window(list(roles.items()), lambda one: self._read(*one), WINDOW)
        return [sample for sample in found if sample is not None]

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

    async def _read(self, node: str, roles: tuple[Role, ...]) -> NetworkSample | None:
        self._readings[node] += 1
        probe = self._probes.on(node)
        if probe is None:
            return None
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(READ_LIMIT_S):
                values, interfaces = await probe.network()
        except SeatrialError as error:
            self._failed(node, error.line)
            return None
        except TimeoutError:
            self._failed(node, f"no answer within {READ_LIMIT_S:g} s")
            return None
        self._answers[node] += 1
        return NetworkSample(
            at_s=(began_s + time.monotonic()) / 2,
            network=f"node {node}",
            roles=roles,
            values=values,
            interfaces={name: Interface._make(counts) for name, counts in interfaces.items()},
            node=node,
        )

    def _failed(self, node: str, why: str) -> None:
        self._failures[node] += 1
        self._why[node] = why
