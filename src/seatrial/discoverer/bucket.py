"""A token bucket: so many calls a second, and some at once after a rest, as client-go's clients have it."""

from __future__ import annotations

import asyncio
import time


class Bucket:
    """Whoever takes a token waits for it in turn. A rate of 0 is no limit."""

    def __init__(self, rate_per_s: float, burst: int) -> None:
        self._rate_per_s = rate_per_s
        self._burst = max(burst, 1)
        self._tokens = float(self._burst)
        self._at_s = time.monotonic()

    async def take(self) -> None:
        """Take one, as soon as it is there."""
        if not self._rate_per_s:
            return
        now_s = time.monotonic()
        grown = (now_s - self._at_s) * self._rate_per_s
        # Below zero is what others wait for already.
        self._tokens = min(self._tokens + grown, self._burst) - 1
        self._at_s = now_s
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / self._rate_per_s)
