"""What the network between the roles carries, as it was measured, against what a plan asks of it.

The talk's lesson: know the capacity of the network and keep it in mind when designing cases. Bytes are of bodies.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from seatrial.preflight.findings import Finding
from seatrial.units import format_bytes_per_s, format_per_s, format_rate, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from seatrial.plan.cases import Case

Direction = Literal["responses", "requests"]
DIRECTIONS: tuple[Direction, ...] = ("responses", "requests")

CAPACITY_FRACTION = 0.7
"""Nearer to its capacity a network queues: in an M/M/1 queue the mean wait is 2.3 times the service at 0.7 of it, and 9
times at 0.9 (Kleinrock, Queueing Systems I, 1975, section 3.2). What is measured then is the queue of the network."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What one tool has carried in one direction over so many connections at once."""

    tool: str
    direction: Direction
    connections: int
    bytes_per_s: float


@dataclass(frozen=True, slots=True)
class Capacity:
    """What was measured on the way from one role to another; ``way`` names it.

    ``requests_per_s`` are small ones in a closed loop, without a proxy. ``missing`` says what was not measured and why.
    """

    way: str
    figures: tuple[Figure, ...]
    requests_per_s: float
    missing: tuple[str, ...] = ()

    def most(self, direction: Direction) -> Figure | None:
        """Return the largest figure: each says what the way carries at least, so it is the one that counts."""
        figures = [figure for figure in self.figures if figure.direction == direction]
        return max(figures, key=lambda figure: figure.bytes_per_s, default=None)

    def document(self) -> dict[str, Any]:
        """Return it as a record and results keep it."""
        return {
            **asdict(self),
            "figures": [asdict(one) for one in self.figures],
            "missing": list(self.missing),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read it back; raises ``KeyError`` or ``TypeError`` for what is none."""
        figures = tuple(Figure(**figure) for figure in document["figures"])
        return cls(document["way"], figures, document["requests_per_s"], tuple(document["missing"]))


def narrowest(capacities: Sequence[Capacity], direction: Direction) -> Figure | None:
    """Return what the least of the ways carries at least; None where nothing was measured."""
    found = [most for capacity in capacities if (most := capacity.most(direction)) is not None]
    return min(found, key=lambda figure: figure.bytes_per_s, default=None)


def ways_crossed(*, proxied: bool, on_nodes: bool) -> int:
    """Return how often each byte crosses what a way was measured of.

    On one machine the same cores carry every way; between nodes of their own each way carries it once.
    """
    return 2 if proxied and not on_nodes else 1


@dataclass(frozen=True, slots=True)
class Asked:
    """The bodies that a case asks the network to carry in one direction."""

    case: Case
    direction: Direction
    rate_per_s: float
    body_bytes: int

    @property
    def ways(self) -> int:
        """How often each body crosses it."""
        on_nodes = self.case.plan.place == "kubernetes"
        return ways_crossed(proxied=self.case.system.options.proxied, on_nodes=on_nodes)

    @property
    def bytes_per_s(self) -> float:
        """What that is of all ways together."""
        return self.rate_per_s * self.body_bytes * self.ways

    @property
    def text(self) -> str:
        """The arithmetic."""
        ways = " x 2 ways, to the proxy and on" if self.ways == 2 else ""
        product = f"{format_rate(self.rate_per_s)} x {format_size(self.body_bytes)} of {self.direction}{ways}"
        return f"{product} = {format_bytes_per_s(self.bytes_per_s)}"


def asked_most(cases: Sequence[Case]) -> tuple[Asked, ...]:
    """Return, for each direction in which bodies go, the case that asks most; closed loops ask what they get."""
    asked = [one for case in cases for one in _asked(case) if one.body_bytes]
    by_direction = [[one for one in asked if one.direction == direction] for direction in DIRECTIONS]
    return tuple(max(found, key=lambda one: one.bytes_per_s) for found in by_direction if found)


def check_capacity(cases: Sequence[Case], capacities: Sequence[Capacity]) -> tuple[Finding, ...]:
    """Return whether the network carries what the plan asks, by what was measured of it."""
    return tuple(finding for asked in asked_most(cases) for finding in _finding(asked, capacities))


def capacity_findings(cases: Sequence[Case], capacities: Sequence[Capacity]) -> tuple[Finding, ...]:
    """Return what was measured of each way, and whether that carries what the plan asks."""
    measured = (
        Finding("network", "ok", f"{capacity.way}: {capacity_text(capacity)}") for capacity in capacities
    )
    return (*measured, *check_capacity(cases, capacities))


def _asked(case: Case) -> Iterator[Asked]:
    if (rate_per_s := case.load.peak_rate_per_s) is None:
        return
    yield Asked(case, "responses", rate_per_s, case.origin.body_bytes)
    body = case.load.request_body
    yield Asked(case, "requests", rate_per_s, body if isinstance(body, int) else len((body or "").encode()))


def _finding(asked: Asked, capacities: Sequence[Capacity]) -> Iterator[Finding]:
    most = narrowest(capacities, asked.direction)
    if most is None:
        return
    limit = CAPACITY_FRACTION * most.bytes_per_s
    code, measured = f"network-{asked.direction}", format_bytes_per_s(most.bytes_per_s)
    text = f"{asked.text}; measured {measured} ({most.tool}, {_connections(most)}), {CAPACITY_FRACTION:.0%} of it is"
    text = f"largest case {asked.case.id}: {text} {format_bytes_per_s(limit)}"
    if asked.bytes_per_s <= limit:
        yield Finding(code, "ok", text)
        return
    rate = format_rate(int(limit / (asked.body_bytes * asked.ways)))
    size = format_size(int(limit / (asked.rate_per_s * asked.ways)))
    remedy = f"a rate of {rate} at most, or bodies of {size}, or a faster machine; `capacity: never` runs it unchecked"
    yield Finding(code, "refuse", text, remedy)


def capacity_text(capacity: Capacity) -> str:
    """Return all of it in one line."""
    figures = ", ".join(
        f"{figure.direction} {format_bytes_per_s(figure.bytes_per_s)} ({figure.tool}, {_connections(figure)})"
        for figure in capacity.figures
    )
    small = f"{format_per_s(capacity.requests_per_s)} small requests"
    missing = "".join(f"; not measured: {text}" for text in capacity.missing)
    return f"{figures}, {small}{missing}"


def _connections(figure: Figure) -> str:
    return f"{figure.connections} connection{'' if figure.connections == 1 else 's'}"
