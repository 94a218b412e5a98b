"""What whoever asks for routes is given and answers: plain values, the same in this process and as lines of JSON.

A pair is a route at an endpoint, and has a number: that of the endpoint times the routes, plus that of the route.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from seatrial.machine.address import Address

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NAMED_LIMIT = 100
"""Of those that are dead so many are named with what is wrong; which are, is said of all."""

Ranges = list[list[int]]
"""Numbers as pairs of the first and the one after the last."""


class Wanted(NamedTuple):
    """A route as a client knows it: the Host field, a path, and which of the services is to answer."""

    host: str
    path: str
    service: int


class Answering(NamedTuple):
    """A service by its name, and the addresses of its endpoints: each answer says at which it was asked."""

    name: str
    addresses: tuple[str, ...]


class Dead(NamedTuple):
    """A pair that its service did not answer; ``is_answered`` where something else did."""

    pair: int
    what: str
    is_answered: bool


@dataclass(frozen=True, slots=True)
class Question:
    """Every pair of ``asked`` is to be asked for once, and to be answered by its service with ``status``.

    With ``ca_pem`` it is asked over TLS, where the certificate has to be for ``server_name``: for the endpoint's host
    where that is None.
    """

    routes: tuple[Wanted, ...]
    endpoints: tuple[Address, ...]
    services: tuple[Answering, ...]
    status: int
    asked: tuple[int, ...]
    ca_pem: str | None = None
    server_name: str | None = None

    def at(self, pair: int) -> tuple[int, int]:
        """Return the numbers of the route and of the endpoint of a pair."""
        endpoint, route = divmod(pair, len(self.routes))
        return route, endpoint

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "routes": self.routes,
            "endpoints": [[endpoint.host, endpoint.port] for endpoint in self.endpoints],
            "services": self.services,
            "status": self.status,
            "asked": ranges_of(self.asked),
            "ca_pem": self.ca_pem,
            "server_name": self.server_name,
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return the question of a document."""
        return cls(
            tuple(Wanted(*route) for route in document["routes"]),
            tuple(Address(host, port) for host, port in document["endpoints"]),
            tuple(Answering(name, tuple(addresses)) for name, addresses in document["services"]),
            document["status"],
            numbers_of(document["asked"]),
            document["ca_pem"],
            document["server_name"],
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """Which pairs were ``dead``, in their order; something else answered so many of them as ``elsewhere``.

    ``named`` are the first of them, at most ``NAMED_LIMIT``.
    """

    dead: tuple[int, ...]
    elsewhere: int
    named: tuple[Dead, ...]

    @classmethod
    def of(cls, dead: Iterable[Dead]) -> Self:
        """Return the answer of all that are dead."""
        found = sorted(dead)
        elsewhere = sum(one.is_answered for one in found)
        return cls(tuple(one.pair for one in found), elsewhere, tuple(found[:NAMED_LIMIT]))


def ranges_of(numbers: Sequence[int]) -> Ranges:
    """Return ascending numbers as ranges."""
    if not numbers:
        return []
    breaks = [(one, following) for one, following in pairwise(numbers) if following != one + 1]
    firsts = [numbers[0], *(following for _, following in breaks)]
    lasts = [*(one for one, _ in breaks), numbers[-1]]
    return [[first, last + 1] for first, last in zip(firsts, lasts, strict=True)]


def numbers_of(ranges: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Return the numbers of ranges."""
    return tuple(number for first, end in ranges for number in range(first, end))
