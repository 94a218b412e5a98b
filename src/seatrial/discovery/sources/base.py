"""What everything above knows of a source of truth, and the names and addresses of what is put into it."""

from __future__ import annotations

import ipaddress
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seatrial.machine.members import Member

_FIRST = int(ipaddress.IPv4Address("172.16.0.1"))
_LAST = int(ipaddress.IPv4Address("172.31.255.254"))
PORT = 8080


@dataclass(frozen=True, slots=True)
class Service:
    """One service of a source: ``id`` is the source's own word for it.

    ``endpoints`` (``address:port``) no other service has or had; ``ports`` are those that clients ask for.
    """

    id: str
    namespace: str
    name: str
    endpoints: frozenset[str]
    ports: frozenset[int] = frozenset({80})

    @property
    def subject(self) -> str:
        """What it is called in the record."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Changed:
    """A service as it is now, without endpoints where it is gone; ``at_s`` (CLOCK_MONOTONIC) is since when.

    That is before any answer of the source could show it, and by no more than the call that made it took.
    """

    service: Service
    at_s: float


class Source(Protocol):
    """A source of truth. Methods raise ``SeatrialError``."""

    async def start(self, namespaces: Sequence[str]) -> None:
        """Have it there, empty, with these namespaces."""

    def wiring(self) -> Mapping[str, str]:
        """Return how a discoverer gets at it; see ``Wiring``."""

    async def create(self, counts: Mapping[str, int]) -> Sequence[Changed]:
        """Add so many services to each of these namespaces."""

    async def update(self, services: Sequence[Service]) -> Sequence[Changed]:
        """Give these other addresses."""

    async def delete(self, services: Sequence[Service]) -> Sequence[Changed]:
        """Remove these."""

    async def calls(self) -> int | None:
        """Return how many calls it has answered since the start; None where nobody counts them."""

    async def plant(self, words: str) -> None:
        """Have something go wrong, in the words of ``seatrial openstack --fault``; raises ``PlanError``."""

    async def lift(self) -> int:
        """Have nothing go wrong any more but what always does; return how many calls what was planted has befallen."""

    def members(self) -> tuple[Member, ...]:
        """Return the programs of Seatrial that it is of."""

    async def close(self) -> None:
        """End it, and remove what was made; harmless where nothing has started."""


class Addresses:
    """Hands out endpoints, each with an address that was there once: of 172.16.0.0/12, which is a million."""

    def __init__(self) -> None:
        self._numbers = itertools.count(_FIRST)

    def next(self, count: int) -> frozenset[str]:
        """Return so many that nobody has had."""
        numbers = itertools.islice(self._numbers, count)
        return frozenset(f"{ipaddress.IPv4Address(min(number, _LAST))}:{PORT}" for number in numbers)


def gone(service: Service, at_s: float) -> Changed:
    """Return that a service is no more."""
    return Changed(Service(service.id, service.namespace, service.name, frozenset()), at_s)
