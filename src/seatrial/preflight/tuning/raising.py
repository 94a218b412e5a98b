"""How a setting is made enough: from what it is and the amount that is needed to what it should be, and never less."""

from __future__ import annotations

from collections.abc import Callable

from seatrial.machine.settings import Values

HIGHEST_PORT = 65_535
LOWEST_PORT = 1_024
"""Below it are the ports of well-known services, which only root may listen on."""

Raise = Callable[[Values, int], Values]
"""Returns the value that suffices for an amount; the very value that is there where that does. Raises ``ValueError``
where the setting does not have the numbers that it should have."""


def to_at_least(now: Values, amount: int) -> Values:
    """Raise a single number."""
    (value,) = now
    return (max(value, amount),)


def maximum_of_three(now: Values, amount: int) -> Values:
    """Raise the last of least, default and maximum (``tcp_rmem``, ``tcp_wmem``)."""
    least, default, most = now
    return least, default, max(most, amount)


def pressure_of_three(now: Values, amount: int) -> Values:
    """Raise the middle of ``tcp_mem``, the others in the kernel's own proportion (tcp_init_mem in net/ipv4/tcp.c)."""
    low, pressure, high = now
    if pressure >= amount:
        return now
    # Of a few pages the proportion, in whole numbers, would put the last below the middle.
    return max(low, amount // 4 * 3), amount, max(high, amount, amount // 4 * 3 * 2)


def ports(now: Values, amount: int) -> Values:
    """Widen a range of ports, upwards first: below it is where systems and origins listen."""
    low, high = now
    if high - low + 1 >= amount:
        return now
    high = min(HIGHEST_PORT, max(high, low + amount - 1))
    return min(low, max(LOWEST_PORT, high + 1 - amount)), high


def to_reuse(now: Values, amount: int) -> Values:
    """Have ``tcp_tw_reuse`` be 2, over loopback, where it is 0; 1 is everywhere."""
    (value,) = now
    return now if value else (amount,)
