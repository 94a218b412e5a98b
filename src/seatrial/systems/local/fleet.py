"""Several systems of one kind side by side, which are one system to everything above."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from typing import TYPE_CHECKING

from seatrial.systems.counters import Counters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seatrial.machine.address import Endpoint
    from seatrial.machine.members import Member
    from seatrial.machine.processes.programs import BinaryInfo
    from seatrial.systems.base import Launch, System
    from seatrial.systems.disturbance import Disturbable
    from seatrial.systems.settings import Setting

STARTING_AT_A_TIME = 4
"""Each takes a core for as long as it reads its configuration."""


SPARE_CONNECTIONS = 64
"""What each takes beyond an even share: those who ask it how it is, and connections that are being opened again."""


class Fleet:
    """Starts, counts and ends its systems together; each goes by the fleet's label and its number, from 1 on."""

    def __init__(self, systems: Sequence[System]) -> None:
        self._systems = tuple(systems)

    async def start(self, launch: Launch) -> tuple[Endpoint, ...]:
        """Start all of them; return where each listens, in their order. Raises as they do, with none left running."""
        turn = asyncio.Semaphore(STARTING_AT_A_TIME)
        share = math.ceil(launch.max_connections / len(self._systems)) + SPARE_CONNECTIONS

        async def started(number: int, system: System) -> tuple[Endpoint, ...]:
            own = dataclasses.replace(launch, label=f"{launch.label}-{number}", max_connections=share)
            async with turn:
                return await system.start(own)

        try:
            async with asyncio.TaskGroup() as tasks:
                starts = [
                    tasks.create_task(started(number, system))
                    for number, system in enumerate(self._systems, start=1)
                ]
        except ExceptionGroup as group:
            await self.stop()
            # Whatever stood in the way of one mostly stood in the way of all: the first says it.
            raise group.exceptions[0] from None
        return tuple(endpoint for start in starts for endpoint in start.result())

    async def counters(self, *, exact: bool = False) -> Counters:
        """Read every member, at the time of the last of them. Raises ``SystemFault`` where one does not answer."""
        read = await asyncio.gather(*(system.counters(exact=exact) for system in self._systems))
        return Counters(
            at_s=max(counters.at_s for counters in read),
            members={name: reading for counters in read for name, reading in counters.members.items()},
            missing=tuple(dict.fromkeys(text for counters in read for text in counters.missing)),
            interrupted=tuple(name for counters in read for name in counters.interrupted),
        )

    async def configuration(self) -> Mapping[str, Mapping[str, str]]:
        """Return what each runs. Raises ``SystemFault`` where one does not answer."""
        read = await asyncio.gather(*(system.configuration() for system in self._systems))
        return {name: runs for configuration in read for name, runs in configuration.items()}

    async def settings(self) -> tuple[Setting, ...]:
        """Return those of every member."""
        read = await asyncio.gather(*(system.settings() for system in self._systems))
        return tuple(setting for settings in read for setting in settings)

    async def drained(self, limit_s: float) -> bool:
        """Wait until no connection is left on any of them."""
        return all(await asyncio.gather(*(system.drained(limit_s) for system in self._systems)))

    def members(self) -> tuple[Member, ...]:
        """Return those of all."""
        return tuple(member for system in self._systems for member in system.members())

    def proxies(self) -> tuple[Disturbable, ...]:
        """Return those of all."""
        return tuple(proxy for system in self._systems for proxy in system.proxies())

    def failure(self) -> str | None:
        """Say how the first that has failed has."""
        return next((failed for system in self._systems if (failed := system.failure())), None)

    def version(self) -> BinaryInfo | None:
        """Return the program that all of them are."""
        return self._systems[0].version()

    async def stop(self) -> None:
        """End all of them, whatever becomes of the others."""
        ended = await asyncio.gather(*(system.stop() for system in self._systems), return_exceptions=True)
        for failed in ended:
            if isinstance(failed, BaseException):
                raise failed
