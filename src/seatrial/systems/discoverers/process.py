"""A discoverer that runs on this machine: prepared with the trial, begun when its source is ready."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import time
from typing import TYPE_CHECKING

from seatrial.errors import PlanError, SystemFault
from seatrial.machine import proc, sockets
from seatrial.machine.members import Member
from seatrial.machine.proc import ProcessRef
from seatrial.machine.processes.guard import Command, GuardedProcess, last_lines
from seatrial.systems.direct import DirectSystem
from seatrial.systems.discovering import Begun
from seatrial.systems.local.starting import log_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from seatrial.machine.address import Endpoint
    from seatrial.machine.processes.programs import BinaryInfo
    from seatrial.systems.base import Launch
    from seatrial.systems.counters import Counters
    from seatrial.systems.discoverers.invocation import Invocation, Invoked
    from seatrial.systems.discovering import ReplicaKind, SourceKind, Wiring

STOP_LIMIT_S = 5.0
SECRET = "(secret)"
_SECRET_WORDS = ("PASSWORD", "SECRET", "TOKEN")
_NS = 1_000_000_000


class Discoverer(DirectSystem):
    """No proxy: the origin's addresses are handed on. What it is itself begins later, see ``Discovering``."""

    def __init__(self, options: Invoked) -> None:
        super().__init__()
        self._options = options
        self._launch: Launch | None = None
        self._process: GuardedProcess | None = None
        self.metrics_url: str | None = None
        """Its page, once it has begun; None where it has none."""

    async def start(self, launch: Launch) -> tuple[Endpoint, ...]:
        """See that its program is there; return the origin's addresses.

        Raises ``EnvironmentFault`` where it is not, ``PlanError`` where it is to be in a network of its own.
        """
        if launch.place.namespace is not None:
            raise PlanError(
                f"{launch.label} cannot be in a network of its own",
                cause="a discoverer reaches its source and its cluster over the network of this machine",
                next_step="leave out the plan's `place: namespaces`",
            )
        await asyncio.to_thread(self._options.program)
        self._launch = launch
        return await super().start(launch)

    async def counters(self, *, exact: bool = False) -> Counters:
        """Count what the baseline does; that no proxy counts requests is no news where none are sent."""
        return dataclasses.replace(await super().counters(exact=exact), missing=())

    @property
    def period_s(self) -> float:
        """See ``Discovering.period_s``."""
        return self._options.notices_within_s

    @property
    def sources(self) -> frozenset[SourceKind]:
        """See ``Discovering.sources``."""
        return self._options.carries.sources

    @property
    def reads(self) -> ReplicaKind:
        """See ``Discovering.reads``."""
        return self._options.carries.reads

    @property
    def replicas(self) -> ReplicaKind:
        """See ``Discovering.replicas``."""
        return self._options.carries.replicas

    async def begin(self, wiring: Wiring) -> Begun:
        """Start its program, once more where it has ended; see ``Discovering.begin``."""
        launch = self._ready(wiring.kind)
        # What it was begun with before is not its end this time.
        await self.stop()
        program = await asyncio.to_thread(self._options.program)
        for address in self._options.listens_at:
            sockets.require_free(address)
        invocation = self._options.invocation(wiring, launch.place.address(), launch.directory)
        command = _command(launch, program, invocation, wiring)
        _write(launch, command, {**_given(wiring), **invocation.environment}, secrets_of(wiring))
        before_ns = time.monotonic_ns()
        self._process = await GuardedProcess.start(command, launch.changes)
        self.metrics_url = invocation.metrics_url
        at_ns = max(before_ns, _began_ns(self._process.started_ticks))
        return Begun(at_ns, invocation.metrics_url, invocation.ca, invocation.queue)

    def _ready(self, kind: SourceKind) -> Launch:
        if self._launch is None:
            raise SystemFault(f"{self._label} cannot begin: it was not prepared")
        if self._process is not None and self._process.exit_status is None:
            raise SystemFault(f"{self._label} has begun already", cause=f"it is process {self._process.pid}")
        if kind not in self.sources:
            raise PlanError(
                f"{self._label} cannot read a source that is {kind}",
                cause=f"it reads {', '.join(sorted(self.sources))}",
                next_step="another `source` in the plan's `discovery`, or another system",
            )
        return self._launch

    def members(self) -> tuple[Member, ...]:
        """Return itself with its processes, while it runs."""
        if self._process is None or self._process.exit_status is not None:
            return ()
        further = (
            ProcessRef(f"{self._label} child", pid, ticks)
            for pid in self._process.descendants()
            if (ticks := proc.started_ticks(pid)) is not None
        )
        return (Member("system", self._label, (self._process.ref, *further)),)

    def failure(self) -> str | None:
        """Say how it has ended, with the last words of its log, unless it was asked to."""
        failed = None if self._process is None else self._process.failure()
        if failed is None or self._launch is None:
            return None
        said = last_lines(log_of(self._launch))
        return f"{failed}; its log ends: {said}" if said else failed

    def version(self) -> BinaryInfo:  # type: ignore[override]
        """Return the program that is used; raise ``EnvironmentFault`` where there is none."""
        return self._options.version()

    async def stop(self) -> None:
        """End it, and all that it has started."""
        if self._process is not None:
            await self._process.stop(STOP_LIMIT_S)


def secrets_of(wiring: Wiring) -> tuple[str, ...]:
    """Return what of a source's access nobody is to read in a file of a run."""
    return tuple(
        value
        for name, value in wiring.source.items()
        if value and any(word in name.upper() for word in _SECRET_WORDS)
    )


def _command(launch: Launch, program: Path, invocation: Invocation, wiring: Wiring) -> Command:
    # Of whoever runs Seatrial, another cloud may be meant.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    environment = {**inherited, **_given(wiring), **invocation.environment}
    log = log_of(launch)
    argv = (str(program), *invocation.arguments)
    return Command(launch.label, argv, log, log, environment=environment, cpus=launch.place.cpus)


def _given(wiring: Wiring) -> Mapping[str, str]:
    """Return what the clients of a cloud take from the environment."""
    return wiring.source if wiring.kind == "openstack" else {}


def _write(
    launch: Launch, command: Command, environment: Mapping[str, str], secrets: tuple[str, ...]
) -> None:
    """Write down how it is started, for whoever wants to do it by hand; secrets are in the environment only."""

    def shown(value: str) -> str:
        for secret in secrets:
            value = value.replace(secret, SECRET)
        return value

    document = {
        "argv": command.argv,
        "environment": {name: shown(value) for name, value in environment.items()},
    }
    path = launch.directory / f"{launch.label}-command.json"
    path.write_text(json.dumps(document, indent=2) + "\n")


def _began_ns(started_ticks: int) -> int:
    """Return when the kernel started it, CLOCK_MONOTONIC, rounded down to its ticks: its guard takes a while."""
    asleep_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
    return started_ticks * _NS // os.sysconf("SC_CLK_TCK") - asleep_ns
