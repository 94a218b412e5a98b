"""Where the roles of a trial run, and what they may listen on there."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from seatrial.machine.address import Address
from seatrial.machine.cpus.pinning import Pinning
from seatrial.machine.sockets import free_address

if TYPE_CHECKING:
    from seatrial.machine.members import Role
    from seatrial.machine.namespace import Namespace


class Place(Protocol):
    """Somewhere that programs can be started; it hands out addresses, as many as they ask for."""

    @property
    def host(self) -> str:
        """The host of every address, which certificates are for."""

    @property
    def namespace(self) -> Namespace | None:
        """The network that is its own; None where it is the machine's."""

    @property
    def cpus(self) -> frozenset[int] | None:
        """The CPUs that whoever is started here is kept to; None where it may use any."""

    def address(self) -> Address:
        """Return an address on which nothing listens; another one each time."""

    def addresses(self, count: int) -> tuple[Address, ...]:
        """Return several."""

    def sources(self, count: int) -> tuple[str, ...]:
        """Return so many addresses that connections may leave from."""


class ThisMachine:
    """The loopback of this machine, and some of its CPUs.

    Several that have ``given`` in common hand out no address twice.
    """

    host = "127.0.0.1"
    namespace = None

    def __init__(self, cpus: frozenset[int] | None = None, given: set[Address] | None = None) -> None:
        self.cpus = cpus
        self._given: set[Address] = set() if given is None else given

    def address(self) -> Address:
        """Return a free port of it; raises ``EnvironmentFault`` where there is none."""
        return _another(self, self._given)

    def addresses(self, count: int) -> tuple[Address, ...]:
        """Return one port of as many addresses of the loopback: every one of 127.0.0.0/8 is this machine's."""
        return _in_a_row(self.address(), count, _APART)

    def sources(self, count: int) -> tuple[str, ...]:
        """Return addresses from 127.0.0.2 on: 127.0.0.1 is where everything else on the machine lives."""
        return _from(self.host, count)


class InNamespace:
    """A network namespace of its own, with a block of addresses of which every one is its own; ``host`` is the first.

    Only one role listens there, and several of its members do so side by side.
    """

    def __init__(self, namespace: Namespace, host: str, cpus: frozenset[int] | None = None) -> None:
        self.namespace = namespace
        self.cpus = cpus
        self.host = host
        self._given: set[Address] = set()

    def address(self) -> Address:
        """Return a free port of its first address; raises ``EnvironmentFault`` where there is none."""
        return _another(self, self._given)

    def addresses(self, count: int) -> tuple[Address, ...]:
        """Return one port of as many of its addresses."""
        return _in_a_row(self.address(), count, 1)

    def sources(self, count: int) -> tuple[str, ...]:
        """Return addresses from its second on: from the first leaves what has no source."""
        return _from(self.host, count)


@dataclass(frozen=True, slots=True)
class Places:
    """Where each role of a trial is; ``pinning`` has the CPUs of all of them, and those of Seatrial itself."""

    load: Place
    proxy: Place
    origin: Place
    pinning: Pinning = field(default_factory=Pinning)

    @classmethod
    def on_this_machine(cls, pinning: Pinning | None = None) -> Places:
        """Return the loopback for all, each role on its CPUs; without ``pinning`` on any."""
        pinning, given = pinning or Pinning(), set[Address]()
        roles: tuple[Role, ...] = ("generator", "system", "origin")
        load, proxy, origin = (ThisMachine(pinning.of(role), given) for role in roles)
        return cls(load, proxy, origin, pinning)

    @property
    def namespaces(self) -> tuple[Namespace | None, ...]:
        """The networks that they have, each once."""
        return tuple(dict.fromkeys(place.namespace for place in (self.load, self.proxy, self.origin)))


def _another(place: Place, given: set[Address]) -> Address:
    address = free_address(place.host, place.namespace)
    while address in given:
        # Whoever has it does not listen yet.
        address = free_address(place.host, place.namespace)
    given.add(address)
    return address


def _in_a_row(first: Address, count: int, apart: int) -> tuple[Address, ...]:
    host = int(ipaddress.IPv4Address(first.host))
    further = (ipaddress.IPv4Address(host + offset) for offset in range(apart, apart + count - 1))
    return (
        first,
        *(Address(str(address), first.port, namespace=first.namespace) for address in further),
    )


def _from(host: str, count: int) -> tuple[str, ...]:
    after = ipaddress.IPv4Address(host) + 1
    return tuple(str(after + offset) for offset in range(count))


_APART = 1 << 16
"""Far enough from the addresses that loads connect from: 127.1.0.1 is the next after 127.0.0.1."""
