"""When something happened, on both clocks: CLOCK_MONOTONIC to reckon with, the wall clock to read."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Clock:
    """Gives moments; the wall clock is read once, so that it cannot step between two of them."""

    monotonic_ns: Callable[[], int] = time.monotonic_ns
    ahead_ns: int = field(default_factory=lambda: time.time_ns() - time.monotonic_ns())

    def now_ns(self) -> int:
        """Return nanoseconds of CLOCK_MONOTONIC."""
        return self.monotonic_ns()

    def wall(self, moment_ns: int) -> datetime:
        """Return the wall clock's time, in UTC, at a moment of CLOCK_MONOTONIC."""
        return datetime.fromtimestamp((moment_ns + self.ahead_ns) / 1e9, tz=UTC)

    def document(self, moment_ns: int) -> dict[str, int | str]:
        """Return a moment on both clocks."""
        return {"monotonic_ns": moment_ns, "wall": self.wall(moment_ns).isoformat()}
