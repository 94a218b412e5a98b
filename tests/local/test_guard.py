"""The guard with real processes: nothing is left behind, however anything ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

from seatrial.errors import EnvironmentFault
from seatrial.machine import proc
from seatrial.machine.processes.guard import Command, GuardedProcess, run_to_end

if TYPE_CHECKING:
    from pathlib import Path

# A program that ignores SIGTERM and has a child in a session of its own that does too.
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
print("up", flush=True)
time.sleep(300)
"""


class Log:
    """A change log in memory."""

    def __init__(self) -> None:
        self.changes: dict[int, dict[str, object]] = {}
        self.open: set[int] = set()
        self.order: list[str] = []

    def will_start(self, kind, detail):
        number = len(self.changes)
        self.changes[number] = {"kind": kind, **detail}
        self.open.add(number)
        self.order.append(f"will_start {sorted(detail)}")
        return number

    def undone(self, change_id):
        self.open.remove(change_id)


def python(tmp_path: Path, program: str, name: str = "program") -> Command:
    log = tmp_path / f"{name}.log"
    return Command(name, (sys.executable, "-c", program), log, log)


async def wait_for(condition, limit_s: float = 20.0):
    for _ in range(int(limit_s / 0.05)):
        if found := condition():
            return found
        await asyncio.sleep(0.05)
    return condition()


def living(pids: list[tuple[int, int]]) -> list[int]:
    return [pid for pid, ticks in pids if proc.is_alive(pid, ticks)]


async def stubborn_tree(process: GuardedProcess) -> list[tuple[int, int]]:
    await wait_for(lambda: process.command.stdout.read_text().count("up") == 2)
    pids = (process.pid, *process.descendants())
    assert len(pids) == 2
    return [(pid, proc.started_ticks(pid) or 0) for pid in pids]


def test_stop_kills_a_tree_that_ignores_sigterm_and_left_its_group(tmp_path: Path) -> None:
    async def trial() -> None:
        log = Log()
        process = await GuardedProcess.start(python(tmp_path, STUBBORN), log)
        pids = await stubborn_tree(process)
        assert process.failure() is None
        await process.stop(0.3)
        assert living(pids) == []
        assert process.exit_status == -signal.SIGKILL
        assert process.failure() is None
        assert log.open == set()

    asyncio.run(trial())


def test_the_change_is_written_down_before_and_undone_after(tmp_path: Path) -> None:
    async def trial() -> None:
        log = Log()
        process = await GuardedProcess.start(python(tmp_path, "import time; time.sleep(300)"), log)
        (opened,) = log.open
        assert log.changes[opened]["pid"] == process.pid
        assert log.changes[opened]["started_ticks"] == proc.started_ticks(process.pid)
        assert log.changes[opened]["boot_id"] == proc.boot_id()
        assert "pid" not in log.changes[0]
        await process.stop(2.0)
        assert log.open == set()

    asyncio.run(trial())


def test_a_program_that_dies_is_noticed_and_said(tmp_path: Path) -> None:
    async def trial() -> None:
        process = await GuardedProcess.start(python(tmp_path, "import time; time.sleep(300)"), Log())
        os.kill(process.pid, signal.SIGKILL)
        failure = await wait_for(process.failure)
        assert failure == f"program (process {process.pid}) was killed by SIGKILL"
        await process.stop(1.0)

    asyncio.run(trial())


@pytest.mark.parametrize("called_off_ms", range(0, 60, 5))
def test_a_start_that_is_called_off_at_any_moment_leaves_nothing(tmp_path: Path, called_off_ms: int) -> None:
    async def scene() -> None:
        log = Log()
        start = asyncio.ensure_future(
            GuardedProcess.start(python(tmp_path, "import time; time.sleep(300)"), log)
        )
        await asyncio.sleep(called_off_ms / 1_000)
        if not start.cancel():
            await start.result().stop(1.0)
        else:
            with pytest.raises(asyncio.CancelledError):
                await start
        assert not log.open

    asyncio.run(scene())


def test_a_stop_that_is_called_off_goes_on_to_its_end_and_is_written_down(tmp_path: Path) -> None:
    """As by two Ctrl-C one after the other: each calls off what is being done."""

    async def scene() -> None:
        log = Log()
        process = await GuardedProcess.start(python(tmp_path, STUBBORN), log)
        pids = await stubborn_tree(process)
        stop = asyncio.ensure_future(process.stop(0.5))
        for _ in range(3):
            await asyncio.sleep(0.05)
            stop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stop
        assert living(pids) == []
        assert log.open == set()

    asyncio.run(scene())


def test_a_program_that_cannot_be_executed_is_an_environment_fault(tmp_path: Path) -> None:
    async def trial() -> None:
        log = Log()
        command = Command("nothing", (str(tmp_path / "absent"),), tmp_path / "log", tmp_path / "log")
        with pytest.raises(EnvironmentFault, match="cannot start nothing") as raised:
            await GuardedProcess.start(command, log)
        assert raised.value.cause == "No such file or directory"
        assert log.open == set()

    asyncio.run(trial())


def test_a_program_that_takes_the_append_flag_away_writes_over_nothing(tmp_path: Path) -> None:
    # HAProxy does so at the first line of its log.
    program = "import fcntl, os; fcntl.fcntl(1, fcntl.F_SETFL, os.O_NONBLOCK); os.write(1, b'one line\\n')"

    async def trial() -> None:
        for _ in range(3):
            process = await GuardedProcess.start(python(tmp_path, program), Log())
            assert await process.wait(30.0) == 0
            await process.stop(1.0)

    asyncio.run(trial())
    assert (tmp_path / "program.log").read_text() == "one line\n" * 3


def test_children_get_the_hard_descriptor_limit(tmp_path: Path) -> None:
    async def trial() -> None:
        program = "import resource; soft, hard = resource.getrlimit(7); print(soft == hard)"
        command = python(tmp_path, program)
        assert await run_to_end(command, Log(), 30.0) == 0
        assert command.stdout.read_text() == "True\n"

    asyncio.run(trial())


def test_kill_9_of_the_guard_still_clears_the_tree(tmp_path: Path) -> None:
    async def trial() -> None:
        process = await GuardedProcess.start(python(tmp_path, "import time; time.sleep(300)"), Log())
        guard = proc.stat(process.pid)
        assert guard is not None
        os.kill(guard.parent, signal.SIGKILL)
        assert await wait_for(process.failure)
        assert "guard" in (process.failure() or "")
        await process.stop(1.0)
        assert not proc.is_alive(process.pid, process.started_ticks)

    asyncio.run(trial())


PARENT = """
import asyncio, sys
from pathlib import Path
from seatrial.machine.processes.changes import Unrecorded
from seatrial.machine.processes.guard import Command, GuardedProcess

async def main():
    log = Path(sys.argv[1])
    command = Command("stubborn", (sys.executable, "-c", sys.argv[2]), log, log)
    process = await GuardedProcess.start(command, Unrecorded())
    while log.read_text().count("up") < 2:
        await asyncio.sleep(0.05)
    print(process.pid, *process.descendants(), flush=True)
    await asyncio.sleep(300)

asyncio.run(main())
"""


@pytest.mark.parametrize("program", [STUBBORN, textwrap.dedent(STUBBORN).replace("SIG_IGN", "SIG_DFL")])
def test_kill_9_of_the_parent_leaves_nothing(tmp_path: Path, program: str) -> None:
    argv = [sys.executable, "-c", PARENT, str(tmp_path / "log"), program]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [(int(word), proc.started_ticks(int(word)) or 0) for word in parent.stdout.readline().split()]
        assert len(living(pids)) == 2
        parent.kill()
    deadline_s = time.monotonic() + 5
    while living(pids) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert living(pids) == []
