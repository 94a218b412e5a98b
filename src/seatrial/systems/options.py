"""What a plan says of a system, and what all that is above needs to know of its kind."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from seatrial.schema.fields import Model

if TYPE_CHECKING:
    from seatrial.systems.base import System


class SystemOptions(Model):
    """The options of one kind of system; each kind has ``kind``, a Literal with its word as the default.

    ``proxied`` is whether a proxy stands before the origin, ``bytes_per_connection`` its user memory of one connection.
    """

    proxied: ClassVar[bool] = True
    bytes_per_connection: ClassVar[int]

    @property
    def proxy_processes(self) -> int:
        """How many processes share its connections, each with descriptors of its own."""
        return 1

    @abstractmethod
    def create(self) -> System:
        """Return the system, not started."""


def only_one_proxy(proxies: int) -> int:
    """Return the number of proxies; raises ValueError for a fleet."""
    if proxies > 1:
        raise ValueError(f"`{proxies}` proxies are a fleet, and fleets are not there yet: 1, for now")
    return proxies
