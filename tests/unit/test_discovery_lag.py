"""How late something is seen is known though somebody removes what it is seen by."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

from seatrial.cluster.client import Client
from seatrial.discovery.destination import Destination
from seatrial.discovery.lag import FIRST_LOOKS, Lag
from seatrial.errors import ClusterFault


class _Cluster:
    """A cluster with one object at most; it is removed after each of its first changes."""

    def __init__(self, removed_times: int) -> None:
        self.is_there = False
        self.created = 0
        self._left = removed_times
        self._seen: dict[str, asyncio.Future[float]] = {}

    def beacon(self, endpoint: str) -> asyncio.Future[float]:
        self._seen[endpoint] = asyncio.get_running_loop().create_future()
        return self._seen[endpoint]

    async def post(self, _path: str, one: dict[str, Any], **_: Any) -> None:
        self.is_there = True
        self.created += 1
        self._show(one)

    async def patch(self, _path: str, one: dict[str, Any], _form: str, **_: Any) -> None:
        if not self.is_there:
            raise ClusterFault("cannot change a beacon", status=404)
        self._show(one)

    def _show(self, one: dict[str, Any]) -> None:
        (endpoint,) = one["endpoints"]
        if (future := self._seen.get(f"{endpoint['addresses'][0]}:80")) is not None:
            future.set_result(time.monotonic())
        if self._left:
            self._left, self.is_there = self._left - 1, False


def test_one_that_is_gone_is_made_again() -> None:
    cluster = _Cluster(3)
    lag = Lag(cast("Client", cluster), cast("Destination", cluster), "beacons", "endpointslices")
    asyncio.run(lag.first())
    assert (len(lag.looks), cluster.created) == (FIRST_LOOKS, 4)
