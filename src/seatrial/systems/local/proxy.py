"""One proxy on this machine, of whatever kind: configured, validated, started, counted, disturbed, stopped."""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from seatrial.errors import SystemFault
from seatrial.machine import proc, sockets
from seatrial.machine.members import Member, Role
from seatrial.machine.proc import ProcessRef
from seatrial.machine.processes import programs
from seatrial.machine.processes.guard import Command, GuardedProcess, last_lines, run_to_end
from seatrial.systems.catalogue import absent
from seatrial.systems.counters import Counters, Reading
from seatrial.systems.local.configured import digest_of_files
from seatrial.systems.local.dialect import Dialect, Ports, Prepared
from seatrial.systems.local.ready import VALIDATE_LIMIT_S, until_ready, within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from seatrial.machine.address import Address, Endpoint
    from seatrial.machine.processes.programs import BinaryInfo
    from seatrial.systems.base import Launch
    from seatrial.systems.certificate import Certificate
    from seatrial.systems.disturbance import Disturbable
    from seatrial.topology.expand import Topology

Answer = TypeVar("Answer")

STOP_LIMIT_S = 5.0


class Proxy:
    """A system of one proxy, which its ``dialect`` configures and asks."""

    def __init__(self, dialect: Dialect, role: Role = "system") -> None:
        self._dialect = dialect
        self._role: Role = role
        self._launch: Launch | None = None
        self._ports: Ports | None = None
        self._processes = 1
        self._files: tuple[Path, ...] = ()
        self._process: GuardedProcess | None = None
        self._refs: tuple[ProcessRef, ...] = ()
        self._last: Counters | None = None
        # What disturbances have done to it: whether it is down on purpose, whether that took counts along, and which
        # processes were replaced and may still finish what they had begun.
        self._is_down = False
        self._interrupted = False
        self._replaced: tuple[ProcessRef, ...] = ()
        self._put_down: frozenset[ProcessRef] = frozenset()

    async def start(self, launch: Launch) -> tuple[Endpoint, ...]:
        """Render, validate, start, and wait until it is live and listens; see ``System.start``."""
        ports = Ports(launch.place.address(), launch.place.address())
        sockets.require_free(ports.listen)
        self._launch, self._ports = launch, ports
        await self._come_up(launch, ports)
        return (launch.endpoint(ports.listen),)

    async def _come_up(self, launch: Launch, ports: Ports) -> None:
        program = await asyncio.to_thread(programs.find, self._dialect.program)
        prepared = self._dialect.prepare(launch, ports)
        # What it writes itself comes later.
        self._files = tuple(file for file in launch.directory.glob(f"{launch.label}*") if file.is_file())
        await self._validate(launch, program, prepared)
        self._processes = prepared.processes
        log = _log(launch)
        command = _command(launch.label, program, prepared.run, prepared, log)
        self._dialect.begins()
        self._process = await GuardedProcess.start(command, launch.changes)
        self._is_down = False
        try:
            await until_ready(launch.label, self._is_ready, self.failure, log)
        except BaseException:
            await self.stop()
            raise
        self._refs = self._running()

    @property
    def name(self) -> str:
        """Its label; empty before it has started."""
        return "" if self._launch is None else self._launch.label

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
        )
        interrupted = (self.name,) if self._interrupted else ()
        return Counters(time.monotonic(), {self.name: reading}, self._dialect.missing, interrupted)

    async def configuration(self) -> Mapping[str, Mapping[str, str]]:
        """Return digests of its files and of what it says that it runs, and which processes it is."""
        processes = " ".join(sorted(ref.incarnation for ref in self._running()))
        files = await asyncio.to_thread(digest_of_files, self._files)
        own = await self._asked(self._dialect.configuration)
        return {self.name: {"files": files, "processes": processes, **own}}

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

    def proxies(self) -> tuple[Disturbable, ...]:
        """Return itself."""
        return (self,)

    @property
    def put_down(self) -> frozenset[ProcessRef]:
        """Processes of it that have ended, or may end, because they were asked to."""
        return self._put_down

    async def reload(self, topology: Topology | None = None, certificate: Certificate | None = None) -> None:
        """See ``Disturbable.reload``."""
        launch, process, ports = self._up()
        launch = self._launch = dataclasses.replace(
            launch, topology=topology or launch.topology, certificate=certificate or launch.certificate
        )
        program = await asyncio.to_thread(programs.find, self._dialect.program)
        await self._validate(launch, program, self._dialect.prepare(launch, ports))
        workers, self._refs = self._refs[1:], (process.ref,)
        self._replaced += workers
        self._put_down |= frozenset(workers)
        self._interrupted |= not self._dialect.keeps_counts
        try:
            await self._dialect.reload(process.pid, ports.status)
        except (OSError, http.client.HTTPException) as error:
            raise SystemFault(f"{self.name} cannot be asked to reload", cause=str(error)) from error
        await until_ready(self.name, self._is_ready, self.failure, _log(launch))
        self._refs = self._running()

    async def restart(self) -> None:
        """See ``Disturbable.restart``."""
        _, process, _ = self._up()
        self._goes_down(process)
        await process.stop(STOP_LIMIT_S)
        await self.revive()

    async def kill(self) -> None:
        """See ``Disturbable.kill``."""
        _, process, _ = self._up()
        self._goes_down(process)
        for pid in (process.pid, *proc.group(process.pid, process.started_ticks)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await process.stop(0.0)

    async def drain(self, limit_s: float) -> None:
        """See ``Disturbable.drain``."""
        _, process, ports = self._up()
        # Its processes are looked at for as long as they finish what they had begun.
        self._replaced, self._refs = (*self._replaced, *self._refs[1:]), (process.ref,)
        self._put_down |= {process.ref, *self._replaced}
        process.may_end()
        self._interrupted = True
        try:
            await self._dialect.drain(process.pid, ports.status)
        except (OSError, http.client.HTTPException) as error:
            raise SystemFault(f"{self.name} cannot be asked to drain", cause=str(error)) from error
        await within(limit_s, self._has_drained)
        self._goes_down(process)
        await process.stop(STOP_LIMIT_S)

    async def revive(self) -> None:
        """See ``Disturbable.revive``."""
        assert self._launch is not None
        assert self._ports is not None
        await self._come_up(self._launch, self._ports)

    def _up(self) -> tuple[Launch, GuardedProcess, Ports]:
        """Return what there is of one that is up; raise ``SystemFault`` where it is not."""
        if self._launch is None or self._process is None or self._ports is None or self._is_down:
            raise SystemFault(
                f"{self.name or 'the system'} is down, and only what is up can be disturbed",
                next_step="mind the order of the plan's `during`",
            )
        return self._launch, self._process, self._ports

    def _goes_down(self, process: GuardedProcess) -> None:
        self._put_down |= {process.ref, *self._refs}
        self._is_down, self._interrupted, self._refs = True, True, ()

    async def _has_drained(self) -> bool:
        assert self._process is not None
        return self._process.exit_status is not None or await self._open() == 0

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

    async def stop(self) -> None:
        """End it, after a last reading; some can still be counted exactly then."""
        if self._process is None or self._last is not None:
            return
        if self._is_down:
            self._last = await self.counters()
            # What took it down may have been called off half-way.
            await self._process.stop(STOP_LIMIT_S)
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
        command = _command(name, program, prepared.validate, prepared, log)
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
        replaced = {ref.pid for ref in self._replaced}
        has_all = len(set(self._process.descendants()) - replaced) == self._processes - 1
        return has_all and await asyncio.to_thread(sockets.is_listening, self._ports.listen.port)

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
        return await asyncio.to_thread(sockets.count_established, self._ports.listen.port)

    async def _open(self) -> int:
        assert self._ports is not None
        return await asyncio.to_thread(sockets.count_open, self._ports.listen.port)

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


def _log(launch: Launch) -> Path:
    return launch.log_directory / f"{launch.label}.log"


def _command(name: str, program: Path, arguments: tuple[str, ...], prepared: Prepared, log: Path) -> Command:
    environment = {**os.environ, **programs.libraries_of(program), **prepared.environment}
    return Command(name, (str(program), *arguments), log, log, environment=environment)
