"""Where systems and origins run, and what they may listen on there."""

from __future__ import annotations

import ipaddress
from typing import Protocol

from seatrial.machine.address import Address
from seatrial.machine.sockets import free_address


class Place(Protocol):
    """Somewhere that programs can be started; it hands out addresses, as many as they ask for."""

    @property
    def host(self) -> str:
        """The host of every address, which certificates are for."""

    def address(self) -> Address:
        """Return an address on which nothing listens; another one each time."""

    def addresses(self, count: int) -> tuple[Address, ...]:
        """Return several."""


class ThisMachine:
    """The loopback of this machine."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        self._given: set[Address] = set()

    def address(self) -> Address:
        """Return a free port of it; raises ``EnvironmentFault`` where there is none."""
        address = free_address(self.host)
        while address in self._given:
            # Whoever has it does not listen yet.
            address = free_address(self.host)
        self._given.add(address)
        return address

    def addresses(self, count: int) -> tuple[Address, ...]:
        """Return one port of as many addresses of the loopback: every one of 127.0.0.0/8 is this machine's."""
        first = self.address()
        host = int(ipaddress.IPv4Address(self.host))
        further = (ipaddress.IPv4Address(host + offset) for offset in range(_APART, _APART + count - 1))
        return (first, *(Address(str(address), first.port) for address in further))


_APART = 1 << 16
"""Far enough from the addresses that loads connect from: 127.1.0.1 is the next after 127.0.0.1."""
