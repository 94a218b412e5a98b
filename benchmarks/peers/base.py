"""What a peer is to the two tests: a command line that drives a load, and a reader of what it prints."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.peers.tools import Tool

Loop = Literal["open", "paced", "closed"]
"""Open: requests leave at their times. Paced: at a rate, but a busy connection delays them. Closed: no rate."""


@dataclass(frozen=True, slots=True)
class Load:
    """What every peer is asked to do. ``scratch`` is a directory for its files."""

    url: str
    rate_per_s: int
    seconds: int
    scratch: Path
    connections: int = 100

    @property
    def planned(self) -> int:
        """How many requests the rate makes in that time."""
        return self.rate_per_s * self.seconds

    @property
    def rate_per_connection(self) -> int:
        """The share of one connection, for tools that ask for that."""
        return self.rate_per_s // self.connections


@dataclass(frozen=True, slots=True)
class Report:
    """What a peer says of its run. None is what it does not say."""

    requests: int
    p50_us: float | None = None
    p99_us: float | None = None
    p999_us: float | None = None
    max_us: float | None = None
    own_cpu_us_per_request: float | None = None
    doubt: str | None = None
    """Why the tool itself says that its figures are not to be believed; only Seatrial ever says so."""


@dataclass(frozen=True, slots=True)
class Row:
    """A peer in one mode. Commands name the tool, not its path; ``read`` gets what each command printed."""

    label: str
    tool: Tool
    loop: Loop
    command: Callable[[Load], list[str]]
    read: Callable[[Sequence[str], Load], Report]
    after: Callable[[Load], list[list[str]]] = lambda _load: []
    """Commands that only print what the first has kept; their CPU time is not counted."""
    good_codes: frozenset[int] = frozenset({0})
    """Exit codes with which a result was printed."""
    stdin: Callable[[Load], str] = lambda _load: ""


def report_of_samples(samples_us: Sequence[float]) -> Report:
    """Describe latencies that a peer wrote one by one; percentiles by nearest rank."""
    ordered = sorted(samples_us)

    def quantile(q: float) -> float:
        return ordered[max(0, math.ceil(q * len(ordered)) - 1)]

    return Report(len(ordered), quantile(0.5), quantile(0.99), quantile(0.999), ordered[-1])
