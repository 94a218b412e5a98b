"""Where systems and origins run, and what they may listen on there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from seatrial.machine.sockets import free_address

if TYPE_CHECKING:
    from seatrial.machine.address import Address


class Place(Protocol):
    """Somewhere that programs can be started; it hands out addresses, as many as they ask for."""

    @property
    def host(self) -> str:
        """The host of every address, which certificates are for."""

    def address(self) -> Address:
        """Return an address on which nothing listens; another one each time."""


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
