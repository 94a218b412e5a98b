"""Seatrial's own origin: processes of the engine that share one port and answer as the plan says.

Each reads one line of JSON, its specification, then commands, a line each; it answers in lines of JSON. It is
our own program and ends at once when its stdin does, so it needs no guard.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

from seatrial.errors import SystemFault
from seatrial.machine import proc, sockets
from seatrial.machine.members import Member
from seatrial.machine.proc import ProcessRef
from seatrial.machine.processes import programs
from seatrial.machine.processes.child import Child
from seatrial.machine.processes.guard import describe_exit, last_lines
from seatrial.systems.counters import OriginCounts

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from seatrial.machine.address import Address, Endpoint
    from seatrial.machine.processes.programs import BinaryInfo
    from seatrial.systems.base import Launch
    from seatrial.systems.certificate import Certificate
    from seatrial.systems.origins.options import OriginPlan

READY_LIMIT_S = 60.0
ANSWER_LIMIT_S = 10.0
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
                specification = self._specification(listens, index)
                (launch.directory / f"{name}.json").write_text(json.dumps(specification, indent=2) + "\n")
                # Whose key it is stays in its own file.
                tls = {"tls": _tls(launch.certificate)}
                secret = [{**at, **tls} for at in specification["listen"]]
                self._processes[-1].send({**specification, "listen": secret})
            await asyncio.gather(*(process.ready() for process in self._processes))
        except BaseException:
            await self.stop()
            raise
        return tuple(launch.endpoint(listen) for listen in listens)

    async def counts(self) -> OriginCounts:
        """Add up what the processes count; exact, and kept after ``stop``."""
        answers = await asyncio.gather(*(process.counts() for process in self._processes))
        by_route: Counter[str] = Counter()
        for answer in answers:
            by_route.update(answer["routes"])
        return OriginCounts(
            requests=sum(answer["requests"] for answer in answers),
            by_route=dict(by_route),
            by_endpoint=tuple(map(sum, zip(*(answer["endpoints"] for answer in answers), strict=True))),
            connections_active=sum(answer["connections_active"] for answer in answers),
            connections_accepted=sum(answer["connections_accepted"] for answer in answers),
        )

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

    def _specification(self, listens: Sequence[Address], index: int) -> dict[str, Any]:
        delay = self._plan.delay
        return {
            "listen": [{"host": listen.host, "port": listen.port} for listen in listens],
            "body_bytes": self._plan.body_bytes,
            "status": self._plan.status,
            "delay": {
                "kind": delay.kind,
                "mean_us": _microseconds(delay.mean_s),
                "low_us": _microseconds(delay.low_s),
                "high_us": _microseconds(delay.high_s),
            },
            "capacity_per_s": self._share_of_capacity(),
            "routes": [],
            "seed": self._seed + index,
            "reuse_port": True,
        }

    def _share_of_capacity(self) -> float | None:
        capacity_per_s = self._plan.capacity_per_s
        return None if capacity_per_s is None else capacity_per_s / self._plan.processes


def _tls(certificate: Certificate | None) -> dict[str, str] | None:
    if certificate is None:
        return None
    return {"cert_pem": certificate.cert.read_text(), "key_pem": certificate.key.read_text()}


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
        self._asking = asyncio.Lock()
        self._answers: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._ready = asyncio.Event()
        self._final: dict[str, Any] | None = None
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
                await self._ready.wait()
        except TimeoutError:
            raise self._fault(f"was not ready after {READY_LIMIT_S:g} s") from None
        if self.exit_status is not None:
            raise self._fault(describe_exit(self.exit_status))

    async def counts(self) -> dict[str, Any]:
        """Ask for counts, or return the last ones where the process has ended after giving them."""
        async with self._asking:
            if self._final is not None:
                return self._final
            return await self._asked({"cmd": "counts"}, "counts")

    async def pause(self, endpoints: Collection[int]) -> None:
        async with self._asking:
            await self._asked({"cmd": "pause", "endpoints": sorted(endpoints)}, "paused")

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

    async def _asked(self, question: dict[str, Any], answered_with: str) -> dict[str, Any]:
        # An answer that came after its question had been given up is not the answer to this one.
        while not self._answers.empty():
            self._answers.get_nowait()
        if self.exit_status is not None:
            raise self._fault("has ended and taken its counts with it")
        self.send(question)
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                while (answer := await self._answers.get()) and answer["type"] != answered_with:
                    pass
        except TimeoutError:
            raise self._fault(f"did not answer within {ANSWER_LIMIT_S:g} s") from None
        if answer is None:
            raise self._fault("has ended and taken its counts with it")
        return answer

    async def _listen(self) -> None:
        async for message in self._child.messages():
            self._heard(message)
        self.exit_status = await self._child.wait()
        self._ready.set()
        self._answers.put_nowait(None)

    def _heard(self, message: dict[str, Any]) -> None:
        if message["type"] == "ready":
            self._ready.set()
            return
        if message.get("final"):
            self._final = message
        self._answers.put_nowait(message)

    def _fault(self, what: str) -> SystemFault:
        stopped = self.exit_status in {-signal.SIGTERM, -signal.SIGKILL}
        return SystemFault(
            f"the origin {self.name} (process {self.ref.pid}) {what}",
            cause=last_lines(self._log) or ("something else ended it" if stopped else None),
            next_step=f"read {self._log}",
        )


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)
