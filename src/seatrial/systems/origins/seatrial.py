"""Seatrial's own origin: processes of the engine that share one port and answer as the plan says.

Each reads one line of JSON, its specification, then commands, a line each; it answers in lines of JSON. It is
our own program and ends at once when its stdin does, so it needs no guard.
"""

from __future__ import annotations

import asyncio
import json
import signal
from typing import TYPE_CHECKING, Any

from seatrial.errors import SystemFault
from seatrial.machine import proc, sockets
from seatrial.machine.members import Member
from seatrial.machine.proc import ProcessRef
from seatrial.machine.processes import programs
from seatrial.machine.processes.child import Child
from seatrial.machine.processes.guard import describe_exit, last_lines
from seatrial.systems.origins.asking import Asking, added_up, shared, specification

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from seatrial.machine.address import Endpoint
    from seatrial.machine.processes.programs import BinaryInfo
    from seatrial.systems.base import Launch
    from seatrial.systems.certificate import Certificate
    from seatrial.systems.counters import OriginCounts
    from seatrial.systems.origins.options import OriginPlan

READY_LIMIT_S = 60.0
STOP_LIMIT_S = 10.0
"""For requests that are still being answered; the longest delay of a plan is well below it in practice."""


class SeatrialOrigin:
    """``plan.processes`` processes behind one port. ``argv`` is for tests; the engine's own by default."""

    def __init__(self, plan: OriginPlan, seed: int = 1, argv: tuple[str, ...] | None = None) -> None:
        self._plan = plan
        self._seed = seed
        self._argv = argv
        self._processes: list[_Process] = []

    async def start(self, launch: Launch) -> tuple[Endpoint, ...]:
        """Start every process and wait until each listens; see ``Origin.start``."""
        listens = launch.place.addresses(launch.listens)
        sockets.require_free(listens[0])
        try:
            for index in range(self._plan.processes):
                name = launch.label if self._plan.processes == 1 else f"{launch.label}-{index + 1}"
                self._processes.append(await _Process.start(name, self._command(launch), launch))
                asked = specification(self._plan, listens, self._seed + index, self._plan.processes)
                (launch.directory / f"{name}.json").write_text(json.dumps(asked, indent=2) + "\n")
                # Whose key it is stays in its own file.
                self._processes[-1].send(with_tls(asked, launch.certificate))
            await asyncio.gather(*(process.ready() for process in self._processes))
        except BaseException:
            await self.stop()
            raise
        return tuple(launch.endpoint(listen) for listen in listens)

    async def counts(self) -> OriginCounts:
        """Add up what the processes count; exact, and kept after ``stop``."""
        answers = await asyncio.gather(*(process.counts() for process in self._processes))
        return added_up(answers, shared(answers))

    async def pause(self, endpoints: Collection[int]) -> None:
        """See ``Origin.pause``: each process has them stand still, and says so."""
        await asyncio.gather(*(process.pause(endpoints) for process in self._processes))

    def members(self) -> tuple[Member, ...]:
        """Return every process that still runs, each a member."""
        running = (process for process in self._processes if process.exit_status is None)
        return tuple(Member("origin", process.name, (process.ref,)) for process in running)

    def failure(self) -> str | None:
        """Say how the first process that has ended has ended, unless it was asked to."""
        return next((failed for process in self._processes if (failed := process.failure())), None)

    def version(self) -> BinaryInfo:
        """Return the engine that serves."""
        from importlib.metadata import version
        from pathlib import Path

        from seatrial._engine import __file__ as engine

        return programs.describe(Path(engine), version("seatrial"))

    async def stop(self) -> None:
        """Let every process finish what it is answering, and end it."""
        await asyncio.gather(*(process.stop() for process in self._processes))

    def _command(self, launch: Launch) -> tuple[str, ...]:
        if self._argv is not None:
            return self._argv
        from seatrial._boot import argv

        return tuple(argv("origin", launch.place.cpus))


def with_tls(specification: dict[str, Any], certificate: Certificate | None) -> dict[str, Any]:
    """Return what an origin is sent to speak TLS, with a key that belongs into no other file."""
    pems = None
    if certificate is not None:
        pems = {"cert_pem": certificate.cert.read_text(), "key_pem": certificate.key.read_text()}
    return {**specification, "listen": [{**at, "tls": pems} for at in specification["listen"]]}


class _Process:
    """One process of the origin, and what it has said."""

    def __init__(self, name: str, child: Child, launch: Launch, log: Path) -> None:
        self.name = name
        self.ref = ProcessRef(name, child.pid, proc.started_ticks(child.pid) or 0)
        self.exit_status: int | None = None
        self._child = child
        self._changes = launch.changes
        self._change_id: int | None = None
        self._log = log
        self._stopping = False
        self._asking = Asking(self.send, self._fault)
        self._listener = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, name: str, argv: tuple[str, ...], launch: Launch) -> _Process:
        log = launch.log_directory / f"{name}.log"
        detail = {"name": name, "argv": list(argv), "log": str(log), "boot_id": proc.boot_id()}
        intent = launch.changes.will_start("process", detail)
        try:
            with log.open("ab") as stderr:
                child = await Child.start(argv, stderr, launch.place.namespace)
            process = cls(name, child, launch, log)
            found = {"pid": process.ref.pid, "started_ticks": process.ref.started_ticks}
            try:
                process._change_id = launch.changes.will_start("process", {**detail, **found})
            except BaseException:
                # Nobody else knows of it yet.
                await process.stop()
                raise
        finally:
            # Either the process is written down by its id, or it is gone.
            launch.changes.undone(intent)
        return process

    def send(self, message: dict[str, Any]) -> None:
        self._child.send(message)

    async def ready(self) -> None:
        try:
            async with asyncio.timeout(READY_LIMIT_S):
                await self._asking.ready.wait()
        except TimeoutError:
            raise self._fault(f"was not ready after {READY_LIMIT_S:g} s") from None
        if self.exit_status is not None:
            raise self._fault(describe_exit(self.exit_status))

    async def counts(self) -> Mapping[str, Any]:
        """Ask for counts, or return the last ones where the process has ended after giving them."""
        return await self._asking.counts()

    async def pause(self, endpoints: Collection[int]) -> None:
        await self._asking.pause(endpoints)

    def failure(self) -> str | None:
        if self._stopping or self.exit_status is None:
            return None
        return f"{self.name} (process {self.ref.pid}) {describe_exit(self.exit_status)}"

    async def stop(self) -> None:
        self._stopping = True
        if self.exit_status is None:
            self.send({"cmd": "stop"})
            await self._child.end(STOP_LIMIT_S)
        await self._listener
        self._child.hang_up()
        if self._change_id is not None:
            self._changes.undone(self._change_id)
            self._change_id = None

    async def _listen(self) -> None:
        async for message in self._child.messages():
            self._asking.heard(message)
        self.exit_status = await self._child.wait()
        self._asking.ended()

    def _fault(self, what: str) -> SystemFault:
        stopped = self.exit_status in {-signal.SIGTERM, -signal.SIGKILL}
        return SystemFault(
            f"the origin {self.name} (process {self.ref.pid}) {what}",
            cause=last_lines(self._log) or ("something else ended it" if stopped else None),
            next_step=f"read {self._log}",
        )
