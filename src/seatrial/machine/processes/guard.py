"""Foreign programs, each under a guard process, so that nothing is left behind however this program ends."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault, SystemFault
from seatrial.machine import proc
from seatrial.machine.proc import ProcessRef
from seatrial.machine.waiting import to_its_end

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.machine.namespace import Namespace
    from seatrial.machine.processes.changes import ChangeLog

GUARD_PROGRAM = Path(__file__).with_name("guard_child.py")
START_LIMIT_S = 30.0
"""A guard answers in about 30 ms; this is for a machine that is loaded to the brim."""
ORPHAN_TERM_S = 2.0
"""Between SIGTERM and SIGKILL when the parent has died: everything must be gone within 5 s."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run; ``argv[0]`` is a path. Output is appended to the two files, which may be the same.

    ``namespace`` is the network that it is in, None is the machine's own; ``cpus`` are those that it is kept to, None
    is where this program is.
    """

    name: str
    argv: tuple[str, ...]
    stdout: Path
    stderr: Path
    cwd: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    namespace: Namespace | None = None
    cpus: frozenset[int] | None = None


class GuardedProcess:
    """A running program and its guard. Made by ``start``."""

    def __init__(self, command: Command, changes: ChangeLog, guard: asyncio.subprocess.Process) -> None:
        self.command = command
        self.pid = 0
        self.started_ticks = 0
        self.exit_status: int | None = None
        self._changes = changes
        self._guard = guard
        self._change_id: int | None = None
        self._started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._gone = asyncio.Event()
        self._stopping = False
        self._guard_lost = False
        self._listener = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, command: Command, changes: ChangeLog) -> GuardedProcess:
        """Write the change down, start guard and program, and return once the program runs.

        Raises ``EnvironmentFault`` where the program cannot be executed.
        """
        detail = {
            "name": command.name,
            "argv": list(command.argv),
            "log": str(command.stderr),
            "boot_id": proc.boot_id(),
        }
        intent = changes.will_start("process", detail)
        try:
            guard = await _start_guard(command)
            process = cls(command, changes, guard)
            try:
                await process._order()
                found = {"pid": process.pid, "started_ticks": process.started_ticks, "guard_pid": guard.pid}
                process._change_id = changes.will_start("process", {**detail, **found})
            except BaseException:
                await process.stop(ORPHAN_TERM_S)
                raise
        finally:
            # Either the process is written down by its id, or it is gone.
            changes.undone(intent)
        return process

    @property
    def ref(self) -> ProcessRef:
        """Which process it is; the same once it has ended."""
        return ProcessRef(self.command.name, self.pid, self.started_ticks)

    def descendants(self) -> tuple[int, ...]:
        """Return the ids of what the program has started, parents first."""
        return proc.descendants(self.pid) if self.exit_status is None else ()

    def failure(self) -> str | None:
        """Say how the program has ended, unless it still runs or was asked to end."""
        if self._stopping:
            return None
        if self.exit_status is not None:
            return f"{self.command.name} (process {self.pid}) {describe_exit(self.exit_status)}"
        if self._guard_lost:
            return f"the guard of {self.command.name} (process {self._guard.pid}) was killed"
        return None

    def may_end(self) -> None:
        """Take it for no failure when the program ends from here on: somebody has asked it to."""
        self._stopping = True

    async def wait(self, timeout_s: float) -> int:
        """Wait until the program ends by itself and return its exit status, negative for a signal.

        Raises ``TimeoutError`` where it does not.
        """
        async with asyncio.timeout(timeout_s):
            await self._gone.wait()
        return -signal.SIGKILL if self.exit_status is None else self.exit_status

    async def stop(self, term_s: float) -> None:
        """Send SIGTERM, SIGKILL after ``term_s``, and return when the program and all it started are gone.

        Called off, it goes on to its end all the same: that the program is gone has to be written down.
        """
        self._stopping = True
        stopping = asyncio.ensure_future(self._stop(term_s))
        await to_its_end(stopping)
        stopping.result()

    async def _stop(self, term_s: float) -> None:
        await self._ask_to_stop(term_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(term_s + 3.0):
                await self._gone.wait()
        if self._guard.returncode is None and not self._gone.is_set():
            self._guard.kill()
        await self._listener
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        await self._guard.wait()
        if self._change_id is not None:
            self._changes.undone(self._change_id)
            self._change_id = None

    async def _order(self) -> None:
        order = {
            "argv": list(self.command.argv),
            "stdout": str(self.command.stdout),
            "stderr": str(self.command.stderr),
            "cwd": str(self.command.cwd) if self.command.cwd else None,
            "environment": dict(self.command.environment),
            "network": str(self.command.namespace.path) if self.command.namespace else None,
            "cpus": None if self.command.cpus is None else sorted(self.command.cpus),
            "term_s": ORPHAN_TERM_S,
        }
        await self._write(json.dumps(order))
        try:
            async with asyncio.timeout(START_LIMIT_S):
                # Called off, it still hears what the guard answers: `stop` needs to know what was started.
                answer = await asyncio.shield(self._started)
        except TimeoutError:
            answer = "silent"
        if answer != "started":
            raise _cannot_start(self.command, answer)

    async def _ask_to_stop(self, term_s: float) -> None:
        if not self._gone.is_set():
            await self._write(f"stop {term_s}")

    async def _write(self, line: str) -> None:
        assert self._guard.stdin is not None
        with suppress(BrokenPipeError, ConnectionResetError):
            self._guard.stdin.write(f"{line}\n".encode())
            await self._guard.stdin.drain()

    async def _listen(self) -> None:
        """Follow what the guard reports, to its end."""
        assert self._guard.stdout is not None
        while line := await self._guard.stdout.readline():
            self._heard(*line.decode().split())
        if not self._gone.is_set():
            self._guard_lost = True
            await self._clear_up()
        if not self._started.done():
            self._started.set_result("lost")
        self._gone.set()

    def _heard(self, word: str, value: str = "") -> None:
        if word == "started":
            self.pid = int(value)
            self.started_ticks = proc.started_ticks(self.pid) or 0
            self._started.set_result("started")
        elif word == "failed":
            self._started.set_result(os.strerror(int(value)))
        elif word == "exited":
            self.exit_status = int(value)
        elif word == "gone":
            self._gone.set()

    async def _clear_up(self) -> None:
        """Do the guard's work after it was killed: its program has got SIGTERM from the kernel."""
        if not self.pid:
            return
        for _ in range(int(ORPHAN_TERM_S / 0.05)):
            if not proc.group(self.pid, self.started_ticks):
                return
            await asyncio.sleep(0.05)
        for pid in proc.group(self.pid, self.started_ticks):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


async def run_to_end(command: Command, changes: ChangeLog, timeout_s: float) -> int:
    """Run a program that ends by itself and return its exit status.

    Raises ``SystemFault`` where it takes longer than ``timeout_s``; it is ended then.
    """
    process = await GuardedProcess.start(command, changes)
    try:
        return await process.wait(timeout_s)
    except TimeoutError:
        raise SystemFault(
            f"{command.name} did not end within {timeout_s:g} s",
            cause="the machine is overloaded, or the program hangs",
            next_step=f"run it by hand: {' '.join(command.argv)}",
        ) from None
    finally:
        await process.stop(ORPHAN_TERM_S)


def describe_exit(status: int) -> str:
    """Put an exit status, negative for a signal, into words."""
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def last_lines(path: Path, count: int = 3) -> str:
    """Return the end of a log, for people; empty where there is none."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.strip().splitlines()[-count:])


async def _start_guard(command: Command) -> asyncio.subprocess.Process:
    # Its own session: a Ctrl-C in the terminal is for the run to act on, not for each proxy.
    with command.stderr.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(GUARD_PROGRAM),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )


def _cannot_start(command: Command, why: str) -> EnvironmentFault:
    causes = {
        "silent": f"its guard did not answer within {START_LIMIT_S:g} s",
        "lost": f"its guard ended: {last_lines(command.stderr)}",
    }
    if command.cpus and why == os.strerror(errno.EINVAL):
        return EnvironmentFault(
            f"cannot start {command.name} on the CPUs {', '.join(map(str, sorted(command.cpus)))}",
            cause="this process may not use them any more: its cpuset was changed since the run began",
            next_step="run the plan again, or use `cpus: shared`",
        )
    return EnvironmentFault(
        f"cannot start {command.name}: {command.argv[0]}",
        cause=causes.get(why, why),
        next_step="check that the program is installed and may be executed",
    )
