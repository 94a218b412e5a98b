"""What a whole load is, before it is split over workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from seatrial.workload.profile import Stretch, mean_rate_per_s
from seatrial.workload.requests import Expect, Request
from seatrial.workload.tls import Tls


@dataclass(frozen=True, slots=True)
class Target:
    """An address to connect to; ``host`` is a literal IP address."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return ``host:port``, an IPv6 host in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


DriverChoice = Literal["epoll", "io_uring", "auto"]
"""What moves a worker's bytes; ``auto`` is io_uring where it works; elsewhere it is epoll, and the cause is said."""

HoldKind = Literal["silent", "request", "slow_read", "slow_send"]


@dataclass(frozen=True, slots=True)
class HoldTraffic:
    """What idle connections do: each acts every ``every_s``; ``bytes`` is how much a slow reader reads."""

    kind: HoldKind = "silent"
    every_s: float = 1.0
    bytes: int = 100


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """One load, all workers together.

    ``held`` idle connections are opened first, then ``active`` ones, both at ``connect_rate_per_s``. ``profile`` is the
    rate over the measure window: its first rate holds in the warm-up, its last beyond its end; empty in closed loop.
    ``authority`` is the host and port that were asked for, where these were not the first target's.
    ``resolution_s`` is the grid of the intended send times, 0 for none (``fine``), None for one that suits the rate
    (``auto``). ``sources`` are IP addresses to connect from. Where it is None or empty, the choice is left to
    :mod:`seatrial.generator.split`. ``expect`` has the workers look at each answer; ``expected_status`` is for results
    alone, which count statuses anyway. ``workers`` None means as many processes as the descriptor limit needs.
    """

    targets: tuple[Target, ...]
    requests: tuple[Request, ...] = (Request(),)
    expect: Expect | None = None
    expected_status: tuple[int, ...] = ()
    loop: Literal["open", "closed"] = "open"
    arrival: Literal["uniform", "poisson"] = "uniform"
    profile: tuple[Stretch, ...] = ()
    active: int = 10
    held: int = 0
    connect_rate_per_s: float = 2000.0
    timeout_s: float = 2.0
    stable_for_s: float = 0.0
    warmup_s: float = 0.0
    measure_s: float = 10.0
    drain_s: float = 2.0
    interval_s: float = 1.0
    resolution_s: float | None = None
    seed: int = 1
    sources: tuple[str, ...] = ()
    workers: int | None = None
    reuse: Literal["lru", "mru"] = "lru"
    requests_per_connection: int | None = None
    lifetime_s: float | None = None
    hold: HoldTraffic = field(default_factory=HoldTraffic)
    spin: bool = False
    driver: DriverChoice = "epoll"
    route_latencies: bool = False
    tls: Tls | None = None
    authority: str | None = None

    @property
    def status_expected(self) -> tuple[int, ...]:
        """The statuses that answers are expected to have; empty is any of 2xx."""
        return self.expected_status if self.expect is None else self.expect.status

    @property
    def url(self) -> str:
        """The URL as it was asked for, without user and password, and with the first path of several."""
        authority = self.authority or self.targets[0]
        return f"{'https' if self.tls else 'http'}://{authority}{self.requests[0].path}"

    @property
    def rate_per_s(self) -> float | None:
        """The mean rate over the measure window, None in closed loop."""
        return mean_rate_per_s(self.profile, self.measure_s) if self.profile else None

    @property
    def peak_rate_per_s(self) -> float | None:
        """The highest rate of the profile, None in closed loop."""
        return max((max(part.from_per_s, part.to_per_s) for part in self.profile), default=None)

    @property
    def reopened_per_s(self) -> float:
        """How many active connections are closed and opened anew in a second, as far as that is known before."""
        return reopened_per_s(
            self.peak_rate_per_s, self.active, self.requests_per_connection, self.lifetime_s
        )


def reopened_per_s(
    rate_per_s: float | None, active: int, requests_per_connection: int | None, lifetime_s: float | None
) -> float:
    """Return it of connections that end after so many requests or so long; the rate of a closed loop counts as none."""
    used_up = (rate_per_s or 0.0) / requests_per_connection if requests_per_connection else 0.0
    return used_up + (active / lifetime_s if lifetime_s else 0.0)
