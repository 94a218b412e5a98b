"""Source addresses to connect from."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from seatrial.limits import MAX_SOURCE_ADDRESSES

SOURCE_LIMIT = MAX_SOURCE_ADDRESSES


def addresses_of(cidrs: Iterable[str]) -> tuple[str, ...]:
    """Return every host address of the ranges, in order.

    Raises
    ------
    ValueError
        A range is none, or has more than 65,536 addresses.
    """
    addresses: list[str] = []
    for cidr in cidrs:
        network = ipaddress.ip_network(cidr, strict=False)
        if network.num_addresses > SOURCE_LIMIT:
            raise ValueError(f"{cidr} has more than {SOURCE_LIMIT:,} addresses")
        # hosts() leaves out a network's first and last address, except of ranges too small to have both.
        addresses += [str(address) for address in network.hosts()]
    return tuple(addresses)
