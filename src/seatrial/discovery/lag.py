"""How late what is seen is: a write of Seatrial's own every now and then, and when the watch shows it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from seatrial.discovery.objects import endpoints_object, path_of
from seatrial.errors import ClusterFault

if TYPE_CHECKING:
    from seatrial.cluster.client import Client
    from seatrial.discovery.destination import Destination
    from seatrial.systems.discovering import ReplicaKind

BEACON = "seatrial-beacon"
FIRST_LOOKS = 20
EVERY_S = 1.0
SEEN_LIMIT_S = 30.0
NOT_FOUND = 404
# Of the block for documentation (RFC 5737): no service has an address of it.
_NETWORK, _HOSTS, _PORT = "192.0.2", 250, 80


class Lag:
    """Looks, each ``(at_s, lag_s)``: from when a write was sent until the watch showed it, the write itself included.

    A discoverer's own write is seen no later after it was sent than that.
    """

    def __init__(self, client: Client, destination: Destination, namespace: str, kind: ReplicaKind) -> None:
        self.looks: list[tuple[float, float]] = []
        self._client = client
        self._destination = destination
        self._namespace = namespace
        self._kind = kind
        self._number = 0

    async def first(self) -> None:
        """Make some looks before anything else goes on; raises ``ClusterFault``."""
        await self._client.post(
            path_of(self._kind, self._namespace), self._object("192.0.2.255"), asked="create a beacon"
        )
        for _ in range(FIRST_LOOKS):
            await self._look()

    async def run(self) -> None:
        """Make one every second until it is called off; one that fails is none."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self._look()
            except ClusterFault:
                continue

    def between(self, began_s: float, ended_s: float) -> tuple[float, ...]:
        """Return the lags of the looks of a time."""
        return tuple(lag_s for at_s, lag_s in self.looks if began_s <= at_s <= ended_s)

    async def _look(self) -> None:
        self._number += 1
        address = f"{_NETWORK}.{1 + self._number % _HOSTS}"
        seen = self._destination.beacon(f"{address}:{_PORT}")
        sent_s = time.monotonic()
        await self._write(self._object(address))
        try:
            async with asyncio.timeout(SEEN_LIMIT_S):
                self.looks.append((sent_s, await seen - sent_s))
        except TimeoutError:
            self.looks.append((sent_s, SEEN_LIMIT_S))

    async def _write(self, one: dict[str, Any]) -> None:
        try:
            await self._client.patch(
                path_of(self._kind, self._namespace, BEACON), one, "merge", asked="change a beacon"
            )
        except ClusterFault as fault:
            # A discoverer that removes what is not its own must not keep us from knowing how late we see it.
            if fault.status != NOT_FOUND:
                raise
            await self._create(one)

    async def _create(self, one: dict[str, Any]) -> None:
        await self._client.post(path_of(self._kind, self._namespace), one, asked="create a beacon")

    def _object(self, address: str) -> dict[str, Any]:
        return endpoints_object(self._kind, self._namespace, BEACON, [address], _PORT, of_service=False)
