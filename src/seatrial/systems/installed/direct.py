"""No proxy on a cluster: the workers reach the origin's pods themselves."""

from __future__ import annotations

import time

from seatrial.systems.counters import Counters
from seatrial.systems.direct import DirectSystem

_MISSING = ("connections before the load: without a proxy nobody counts them on a cluster",)


class DirectPods(DirectSystem):
    """Hands the addresses of the origin's pods on; the kernel that counts their connections is of another machine."""

    async def counters(self, *, exact: bool = False) -> Counters:  # noqa: ARG002
        """Return that nothing is known."""
        return Counters(time.monotonic(), {}, _MISSING)

    async def drained(self, limit_s: float) -> bool:  # noqa: ARG002
        """Return True: nobody knows (``counters`` says so)."""
        return True
