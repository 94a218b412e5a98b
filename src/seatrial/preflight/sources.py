"""Source addresses: a load can come only from addresses that this machine has."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault
from seatrial.machine.namespace import entered

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seatrial.machine.namespace import Namespace


def require_sources(sources: Iterable[str], namespace: Namespace | None = None) -> None:
    """Bind a socket to each, in the network of a namespace, and close it again; a bind costs a few microseconds.

    Raises
    ------
    EnvironmentFault
        One of them is not an address of this machine.
    """
    with entered(namespace):
        for source in sources:
            _require(source)


def _require(source: str) -> None:
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((source, 0))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise EnvironmentFault(
                    f"the source {source} is not an address of this machine",
                    cause="connections can only leave from addresses that a network interface has",
                    next_step=f"give the machine the address (`ip address add {source} dev lo`), or name others",
                ) from None
