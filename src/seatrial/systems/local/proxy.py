"""One proxy on this machine, of whatever kind: configured, validated, started, disturbed, stopped."""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import math
import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from seatrial.errors import SystemFault
from seatrial.machine import proc, sockets
from seatrial.machine.processes import programs
from seatrial.machine.processes.guard import GuardedProcess
from seatrial.systems.counters import Counters
from seatrial.systems.local.asked import AskedProxy
from seatrial.systems.local.dialect import Ports
from seatrial.systems.local.ready import until_ready, within
from seatrial.systems.local.starting import command_of, log_of, validate

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from seatrial.machine.address import Endpoint
    from seatrial.machine.proc import ProcessRef
    from seatrial.systems.base import Launch
    from seatrial.systems.certificate import Certificate
    from seatrial.systems.disturbance import Disturbable
    from seatrial.topology.expand import Topology

STOP_LIMIT_S = 5.0


class Proxy(AskedProxy):
    """A system of one proxy, which its ``dialect`` configures and asks."""

    async def start(self, launch: Launch) -> tuple[Endpoint, ...]:
        """Render, validate, start, and wait until it is live and listens; see ``System.start``."""
        listen, *further = launch.place.addresses(launch.listens)
        ports = Ports(listen, launch.place.address(), tuple(further))
        sockets.require_free(ports.listen)
        self._launch, self._ports = launch, ports
        await self._come_up(launch, ports)
        return tuple(launch.endpoint(at) for at in (listen, *further))

    async def _come_up(self, launch: Launch, ports: Ports) -> None:
        program = await asyncio.to_thread(programs.find, self._dialect.program)
        prepared = self._dialect.prepare(launch, ports)
        # What it writes itself comes later.
        self._files = tuple(file for file in launch.directory.glob(f"{launch.label}*") if file.is_file())
        await validate(launch, program, prepared)
        self._processes = prepared.processes
        self._connections_each = math.ceil(launch.max_connections / prepared.serving)
        log = log_of(launch)
        command = command_of(launch.label, program, prepared.run, prepared, launch, log)
        self._dialect.begins()
        self._process = await GuardedProcess.start(command, launch.changes)
        self._is_down = False
        try:
            await until_ready(launch.label, self._is_ready, self.failure, log)
        except BaseException:
            await self.stop()
            raise
        self._refs = self._running()

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
        listen = self._ports.listen
        has_all = len(set(self._process.descendants()) - replaced) == self._processes - 1
        return has_all and await asyncio.to_thread(sockets.is_listening, listen.port, listen.namespace)

    async def stop(self) -> None:
        """End it, after a last reading; some can still be counted exactly then."""
        if self._process is None or self._last is not None:
            return
        if self._is_down:
            self._last = await self.counters()
            # What took it down may have been called off half-way.
            await self._process.stop(STOP_LIMIT_S)
            self._dialect.tidy()
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
        await validate(launch, program, self._dialect.prepare(launch, ports))
        workers, self._refs = self._refs[1:], (process.ref,)
        self._replaced += workers
        self._put_down |= frozenset(workers)
        self._interrupted |= not self._dialect.keeps_counts
        await self._asked_to("reload", self._dialect.reload(process.pid, ports.status))
        await until_ready(self.name, self._is_ready, self.failure, log_of(launch))
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
        await self._asked_to("drain", self._dialect.drain(process.pid, ports.status))
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

    async def _asked_to(self, what: str, asking: Awaitable[None]) -> None:
        try:
            await asking
        except (OSError, http.client.HTTPException) as error:
            raise SystemFault(f"{self.name} cannot be asked to {what}", cause=str(error)) from error

    def _goes_down(self, process: GuardedProcess) -> None:
        self._put_down |= {process.ref, *self._refs}
        self._is_down, self._interrupted, self._refs = True, True, ()

    async def _has_drained(self) -> bool:
        assert self._process is not None
        return self._process.exit_status is not None or await self._open() == 0
