"""No proxy: the load goes straight to the origin. The baseline that the others are compared with."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar, Literal

from seatrial.machine import proc, sockets
from seatrial.systems.counters import Counters, Reading
from seatrial.systems.local.ready import within
from seatrial.systems.options import SystemOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seatrial.machine.address import Endpoint
    from seatrial.machine.members import Member
    from seatrial.machine.namespace import Namespace
    from seatrial.systems.base import Launch
    from seatrial.systems.disturbance import Disturbable
    from seatrial.systems.settings import Setting

_MISSING = ("requests and accepted connections: there is no proxy; ask the origin",)


class DirectOptions(SystemOptions):
    """No proxy: the load goes straight to the origin. The baseline that the proxies are compared with."""

    proxied: ClassVar[bool] = False
    bytes_per_connection: ClassVar[int] = 0
    not_counted: ClassVar[tuple[str, ...]] = ("requests", "accepted connections", "upstream requests")

    kind: Literal["direct"] = "direct"

    def create(self) -> DirectSystem:
        """Return the system, not started."""
        return DirectSystem()


class DirectSystem:
    """Hands the origin's own addresses on."""

    def __init__(self) -> None:
        self._label = "direct"
        self._upstreams: tuple[Endpoint, ...] = ()

    async def start(self, launch: Launch) -> tuple[Endpoint, ...]:
        """Return the origin's addresses."""
        self._label, self._upstreams = launch.label, launch.topology.endpoints
        return self._upstreams

    async def counters(self, *, exact: bool = False) -> Counters:  # noqa: ARG002
        """Count the connections that the origin's ports hold; the kernel knows."""
        active = await asyncio.to_thread(self._sum, sockets.count_established)
        # It is the kernel that counts, so what begins anew is the boot.
        reading = Reading(
            proc.boot_id(), active, None, None, None, {"active": active}, is_counted_by_kernel=True
        )
        return Counters(time.monotonic(), {self._label: reading}, _MISSING)

    async def configuration(self) -> Mapping[str, Mapping[str, str]]:
        """Return nothing: there is no proxy."""
        return {}

    async def settings(self) -> tuple[Setting, ...]:
        """Return nothing: there is no proxy that could have any."""
        return ()

    async def drained(self, limit_s: float) -> bool:
        """Wait until no connection to the origin is open."""
        return await within(limit_s, self._is_empty)

    def members(self) -> tuple[Member, ...]:
        """Return nothing: there is no proxy."""
        return ()

    def proxies(self) -> tuple[Disturbable, ...]:
        """Return nothing: there is no proxy."""
        return ()

    def failure(self) -> str | None:
        """Return None: what is not there cannot fail."""
        return None

    def version(self) -> None:
        """Return None: there is no program."""

    async def stop(self) -> None:
        """Do nothing."""

    async def _is_empty(self) -> bool:
        return await asyncio.to_thread(self._sum, sockets.count_open) == 0

    def _sum(self, count: Callable[[int, Namespace | None], int]) -> int:
        ports = {(upstream.port, upstream.namespace) for upstream in self._upstreams}
        return sum(count(port, namespace) for port, namespace in ports)
