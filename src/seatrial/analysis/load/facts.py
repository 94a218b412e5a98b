"""What is known of a load beside its frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from seatrial.generator.routes import KeptAnswer, Route
    from seatrial.observe.shares import CpuShares


@dataclass(frozen=True, slots=True)
class LoadFacts:
    """What the frames themselves do not say. Times are CLOCK_MONOTONIC nanoseconds.

    ``cpu`` is whose the CPU of this machine was over the window; ``served_here`` is whether what answers runs here.
    """

    url: str
    loop: Literal["open", "closed"]
    arrival: str
    driver: str
    resolution_us: int
    timestamps: Literal["kernel", "program"]
    seed: int
    rate_requested_per_s: float | None
    active_requested: int
    held_requested: int
    window_start_ns: int
    measured_s: float
    interval_s: float
    processes: int
    pss_bytes: int = 0
    throttled_s: float = 0.0
    clock_steps: int = 0
    scheduling: Literal["first", "shared"] = "shared"
    routes: tuple[Route, ...] = ()
    unexpected_kept: tuple[KeptAnswer, ...] = ()
    tls: bool = False
    spin: bool = False
    driver_fallback: str | None = None
    cpu: CpuShares | None = None
    served_here: bool = False
    status_expected: tuple[int, ...] = ()
