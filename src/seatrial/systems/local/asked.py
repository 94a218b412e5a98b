"""One proxy on this machine that runs: what it counts, what is in force of it, and which processes it is."""

from __future__ import annotations

import asyncio
import http.client
import resource
import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from seatrial.errors import SystemFault
from seatrial.machine import proc, sockets
from seatrial.machine.members import Member, Role
from seatrial.machine.proc import ProcessRef
from seatrial.machine.processes import programs
from seatrial.systems.catalogue import absent
from seatrial.systems.counters import Counters, Reading
from seatrial.systems.local.configured import digest_of_files
from seatrial.systems.local.dialect import Dialect, Ports
from seatrial.systems.local.ready import within
from seatrial.systems.settings import Setting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from seatrial.machine.address import Address
    from seatrial.machine.processes.guard import GuardedProcess
    from seatrial.machine.processes.programs import BinaryInfo
    from seatrial.systems.base import Launch

Answer = TypeVar("Answer")


class AskedProxy:
    """What may be asked of a proxy: of its ``dialect``, of the kernel, and of the process that was started."""

    def __init__(self, dialect: Dialect, role: Role = "system") -> None:
        self._dialect = dialect
        self._role: Role = role
        self._launch: Launch | None = None
        self._ports: Ports | None = None
        self._processes = 1
        self._files: tuple[Path, ...] = ()
        self._connections_each = 0
        self._process: GuardedProcess | None = None
        self._refs: tuple[ProcessRef, ...] = ()
        self._last: Counters | None = None
        # What disturbances have done to it: whether it is down on purpose, whether that took counts along, and which
        # processes were replaced and may still finish what they had begun.
        self._is_down = False
        self._interrupted = False
        self._replaced: tuple[ProcessRef, ...] = ()
        self._put_down: frozenset[ProcessRef] = frozenset()

    @property
    def name(self) -> str:
        """Its label; empty before it has started."""
        return "" if self._launch is None else self._launch.label

    @property
    def metrics_page(self) -> tuple[Address, str] | None:
        """Where it tells what it counts in the format of Prometheus; None where it does not, or has not started."""
        return None if self._ports is None else self._dialect.metrics_page(self._ports.status)

    async def counters(self, *, exact: bool = False) -> Counters:
        """Read its counters; the last reading once it has been stopped.

        Connections that it does not count itself are those of the kernel. Raises ``SystemFault`` where it does not
        answer.
        """
        if self._last is not None:
            return self._last
        if self._is_down:
            return Counters(time.monotonic(), {}, self._dialect.missing, (self.name,))
        if exact:
            await self._dialect.settle()
        return await self._counters()

    async def _counters(self) -> Counters:
        values = await self._read()
        own = self._dialect.own(values)
        assert self._process is not None
        lacking = absent(self._dialect.metrics, values)
        active = None if "connections_active" in lacking else own.connections_active
        reading = Reading(
            incarnation=self._process.ref.incarnation,
            connections_active=await self._established() if active is None else active,
            connections_accepted=own.connections_accepted,
            requests=own.requests,
            upstream_requests=own.upstream_requests,
            values=values,
            upstream_connections=own.upstream_connections,
            is_counted_by_kernel=active is None,
            absent=lacking,
            limits_met=self._dialect.limits_met(values),
            rejected=self._dialect.rejected(values),
        )
        interrupted = (self.name,) if self._interrupted else ()
        return Counters(time.monotonic(), {self.name: reading}, self._dialect.missing, interrupted)

    async def configuration(self) -> Mapping[str, Mapping[str, str]]:
        """Return digests of its files and of what it says that it runs, and which processes it is."""
        processes = " ".join(sorted(ref.incarnation for ref in self._running()))
        files = await asyncio.to_thread(digest_of_files, self._files)
        own = await self._asked(self._dialect.configuration)
        return {self.name: {"files": files, "processes": processes, **own}}

    async def settings(self) -> tuple[Setting, ...]:
        """Read what is in force of its limits and sizes from itself, and of its descriptors from the kernel."""
        assert self._ports is not None
        own = await self._asked(partial(self._dialect.settings, self.name))
        return (*own, *self._descriptors())

    def _descriptors(self) -> tuple[Setting, ...]:
        """Return how many files each process may open, the least of all: at least its share of the connections."""
        limits = [resource.prlimit(ref.pid, resource.RLIMIT_NOFILE)[0] for ref in self._refs]
        least = min(limits, default=0)
        return (Setting(self.name, "open files", self._connections_each, least, "/proc/PID/limits", True),)

    async def drained(self, limit_s: float) -> bool:
        """Wait until no connection is open on its port, nor in its own count, and every request is counted."""
        if self._is_down:
            return True
        empty = await within(limit_s, self._is_empty)
        if empty:
            await self._dialect.settle()
        return empty

    def members(self) -> tuple[Member, ...]:
        """Return the one proxy and its processes, while it runs."""
        if self._process is None or self._is_down or self._process.exit_status is not None:
            return ()
        finishing = (ref for ref in self._replaced if proc.is_alive(ref.pid, ref.started_ticks))
        return (Member(self._role, self.name, (*(self._refs or (self._process.ref,)), *finishing)),)

    def failure(self) -> str | None:
        """Say how it has ended, or which of its processes has, unless it was asked to."""
        if self._process is None or self._is_down:
            return None
        if failed := self._process.failure():
            return failed
        lost = next((ref for ref in self._refs if not proc.is_alive(ref.pid, ref.started_ticks)), None)
        return f"{lost.name} (process {lost.pid}) of {self.name} went away" if lost else None

    def version(self) -> BinaryInfo:
        """Return the program that is used; raise ``EnvironmentFault`` where there is none."""
        return programs.installed(self._dialect.program)

    def _running(self) -> tuple[ProcessRef, ...]:
        assert self._process is not None
        replaced = {ref.pid for ref in self._replaced}
        workers = (
            ProcessRef(f"{self.name} worker", pid, ticks)
            for pid in self._process.descendants()
            if pid not in replaced and (ticks := proc.started_ticks(pid)) is not None
        )
        return (self._process.ref, *workers)

    async def _is_empty(self) -> bool:
        assert self._ports is not None
        own = self._dialect.own(await self._read())
        return not own.connections_active and await self._open() == 0

    async def _established(self) -> int:
        assert self._ports is not None
        listen = self._ports.listen
        return await asyncio.to_thread(sockets.count_established, listen.port, listen.namespace)

    async def _open(self) -> int:
        assert self._ports is not None
        listen = self._ports.listen
        return await asyncio.to_thread(sockets.count_open, listen.port, listen.namespace)

    async def _read(self) -> Mapping[str, float]:
        return await self._asked(self._dialect.read)

    async def _asked(self, ask: Callable[[Address], Awaitable[Answer]]) -> Answer:
        if self._ports is None:
            raise SystemFault(f"{self.name or 'the system'} has not been started")
        try:
            return await ask(self._ports.status)
        except (OSError, http.client.HTTPException) as error:
            raise SystemFault(
                f"the status port of {self.name} does not answer", cause=self.failure() or str(error)
            ) from error
