"""One proxy on this machine, of whatever kind: configured, validated, started, counted, stopped."""

from __future__ import annotations

import asyncio
import http.client
import os
import time
from typing import TYPE_CHECKING

from seatrial.errors import SystemFault
from seatrial.machine import proc, sockets
from seatrial.machine.members import Member, Role
from seatrial.machine.proc import ProcessRef
from seatrial.machine.processes import programs
from seatrial.machine.processes.guard import Command, GuardedProcess, last_lines, run_to_end
from seatrial.systems.counters import Counters, Reading
from seatrial.systems.local.dialect import Dialect, Ports, Prepared
from seatrial.systems.local.ready import VALIDATE_LIMIT_S, until_ready, within

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from seatrial.machine.address import Endpoint
    from seatrial.machine.processes.programs import BinaryInfo
    from seatrial.systems.base import Launch

STOP_LIMIT_S = 5.0


class Proxy:
    """A system of one proxy, which its ``dialect`` configures and asks."""

    def __init__(self, dialect: Dialect, role: Role = "system") -> None:
        self._dialect = dialect
        self._role: Role = role
        self._label = ""
        self._ports: Ports | None = None
        self._processes = 1
        self._process: GuardedProcess | None = None
        self._refs: tuple[ProcessRef, ...] = ()
        self._last: Counters | None = None

    async def start(self, launch: Launch) -> tuple[Endpoint, ...]:
        """Render, validate, start, and wait until it is live and listens; see ``System.start``."""
        ports = Ports(launch.place.address(), launch.place.address())
        sockets.require_free(ports.listen)
        self._label, self._ports = launch.label, ports
        program = await asyncio.to_thread(programs.find, self._dialect.program)
        prepared = self._dialect.prepare(launch, ports)
        await self._validate(launch, program, prepared)
        self._processes = prepared.processes
        log = launch.log_directory / f"{launch.label}.log"
        command = _command(launch.label, program, prepared.run, (prepared, launch), log)
        self._process = await GuardedProcess.start(command, launch.changes)
        try:
            await until_ready(launch.label, self._is_ready, self.failure, log)
        except BaseException:
            await self.stop()
            raise
        self._refs = self._running()
        return (launch.endpoint(ports.listen),)

    async def counters(self, *, exact: bool = False) -> Counters:
        """Read its counters; the last reading once it has been stopped.

        Connections that it does not count itself are those of the kernel. Raises ``SystemFault`` where it does not
        answer.
        """
        if self._last is not None:
            return self._last
        if exact:
            await self._dialect.settle()
        return await self._counters()

    async def _counters(self) -> Counters:
        values = await self._read()
        own = self._dialect.own(values)
        assert self._process is not None
        active = own.connections_active
        reading = Reading(
            incarnation=self._process.ref.incarnation,
            connections_active=await self._established() if active is None else active,
            connections_accepted=own.connections_accepted,
            requests=own.requests,
            upstream_requests=own.upstream_requests,
            values=values,
        )
        return Counters(time.monotonic(), {self._label: reading}, self._dialect.missing)

    async def drained(self, limit_s: float) -> bool:
        """Wait until no connection is open on its port, nor in its own count, and every request is counted."""
        empty = await within(limit_s, self._is_empty)
        if empty:
            await self._dialect.settle()
        return empty

    def members(self) -> tuple[Member, ...]:
        """Return the one proxy and its processes, while it runs."""
        if self._process is None or self._process.exit_status is not None:
            return ()
        return (Member(self._role, self._label, self._refs or (self._process.ref,)),)

    def failure(self) -> str | None:
        """Say how it has ended, or which of its processes has, unless it was asked to."""
        if self._process is None:
            return None
        if failed := self._process.failure():
            return failed
        lost = next((ref for ref in self._refs if not proc.is_alive(ref.pid, ref.started_ticks)), None)
        return f"{lost.name} (process {lost.pid}) of {self._label} went away" if lost else None

    def version(self) -> BinaryInfo:
        """Return the program that is used; raise ``EnvironmentFault`` where there is none."""
        return programs.installed(self._dialect.program)

    async def stop(self) -> None:
        """End it, after a last reading; some can still be counted exactly then."""
        if self._process is None or self._last is not None:
            return
        before = await self._try_to_read() or Counters(time.monotonic(), {})
        self._refs = ()
        await self._process.stop(STOP_LIMIT_S)
        self._last = await self._try_to_read() or before
        self._dialect.tidy()

    async def _try_to_read(self) -> Counters | None:
        try:
            return await self._counters()
        except SystemFault:
            return None

    async def _validate(self, launch: Launch, program: Path, prepared: Prepared) -> None:
        if prepared.validate is None:
            return
        log = launch.log_directory / f"{launch.label}-validate.log"
        log.unlink(missing_ok=True)
        name = f"the validation of {launch.label}'s configuration"
        command = _command(name, program, prepared.validate, (prepared, launch), log)
        if await run_to_end(command, launch.changes, VALIDATE_LIMIT_S) != 0:
            raise SystemFault(
                f"{launch.label} refuses its configuration in {launch.directory}",
                cause=last_lines(log) or None,
                next_step="correct the plan's options for this system, or read the configuration",
            )

    async def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._ports is not None
        try:
            if not await self._dialect.is_live(self._ports.status):
                return False
        except (OSError, http.client.HTTPException):
            return False
        # No connection is made to the listener, which would count it.
        has_all = len(self._process.descendants()) == self._processes - 1
        listen = self._ports.listen
        return has_all and await asyncio.to_thread(sockets.is_listening, listen.port, listen.namespace)

    def _running(self) -> tuple[ProcessRef, ...]:
        assert self._process is not None
        workers = (
            ProcessRef(f"{self._label} worker", pid, ticks)
            for pid in self._process.descendants()
            if (ticks := proc.started_ticks(pid)) is not None
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
        if self._ports is None:
            raise SystemFault(f"{self._label or 'the system'} has not been started")
        try:
            return await self._dialect.read(self._ports.status)
        except (OSError, http.client.HTTPException) as error:
            raise SystemFault(
                f"the status port of {self._label} does not answer", cause=self.failure() or str(error)
            ) from error


def _command(
    name: str, program: Path, arguments: tuple[str, ...], how: tuple[Prepared, Launch], log: Path
) -> Command:
    prepared, launch = how
    environment = {**os.environ, **programs.libraries_of(program), **prepared.environment}
    argv = (str(program), *arguments)
    return Command(name, argv, log, log, environment=environment, namespace=launch.place.namespace)
