"""What a whole load is, before it is split over workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

AUTO_RESOLUTION_S = 250e-6
"""What ``auto`` means: on this grid a request costs about what it costs in closed loop ("Pacing against cost")."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address to connect to; ``host`` is a literal IP address."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return ``host:port``, an IPv6 host in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Request:
    """The request that every active connection repeats."""

    method: str = "GET"
    path: str = "/"
    host: str = "localhost"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """One load, all workers together.

    ``held`` idle connections are opened first, then ``active`` ones, both at ``connect_rate_per_s``. ``rate_per_s`` is
    None in closed loop. ``resolution_s`` is the grid of the intended send times, 0 for none (``fine``). ``sources`` are
    IP addresses to connect from; empty leaves the choice to :mod:`seatrial.load.split`. ``workers`` None means as many
    processes as the descriptor limit needs.
    """

    targets: tuple[Target, ...]
    request: Request = field(default_factory=Request)
    loop: Literal["open", "closed"] = "open"
    arrival: Literal["uniform", "poisson"] = "uniform"
    rate_per_s: float | None = None
    active: int = 10
    held: int = 0
    connect_rate_per_s: float = 2000.0
    timeout_s: float = 2.0
    stable_for_s: float = 0.0
    warmup_s: float = 0.0
    measure_s: float = 10.0
    drain_s: float = 2.0
    interval_s: float = 1.0
    resolution_s: float = AUTO_RESOLUTION_S
    seed: int = 1
    sources: tuple[str, ...] = ()
    workers: int | None = None

    @property
    def url(self) -> str:
        """The URL of the first target, as results show it."""
        return f"http://{self.targets[0]}{self.request.path}"
