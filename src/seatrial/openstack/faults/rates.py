"""How many calls a second each token may make: a bucket of calls that fills at the rate."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seatrial.openstack.cloud.moments import Clock

BUCKETS_LIMIT = 20_000
"""As many as there may be tokens."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls per second of a token, and how many it may make at once after a rest."""

    per_s: float
    burst: float


class RateLimit:
    """Counts the calls of each token. ``rate`` is None while there is no limit; ``refused`` is how many were."""

    def __init__(self, clock: Clock, rate: Rate | None = None) -> None:
        self.refused = 0
        self._clock = clock
        self._rate = rate
        # Calls that are left, and when they were reckoned.
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()

    @property
    def rate(self) -> Rate | None:
        """The limit that is in force."""
        return self._rate

    def set(self, rate: Rate | None) -> None:
        """Put another limit in force, or none; every token begins with all of it."""
        self._rate = rate
        self._buckets.clear()

    def wait_s(self, token: str) -> float:
        """Return 0 where a call may be made, which is counted, or how long the token has to wait."""
        if self._rate is None:
            return 0.0
        now_ns = self._clock.now_ns()
        left, then_ns = self._buckets.pop(token, (self._rate.burst, now_ns))
        left = min(self._rate.burst, left + (now_ns - then_ns) / 1e9 * self._rate.per_s)
        wait_s = 0.0 if left >= 1 else (1 - left) / self._rate.per_s
        self._buckets[token] = (left - (wait_s == 0), now_ns)
        self.refused += wait_s > 0
        while len(self._buckets) > BUCKETS_LIMIT:
            self._buckets.popitem(last=False)
        return wait_s
