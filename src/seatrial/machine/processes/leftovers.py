"""Ending what a run that was cut off has left behind, by what it had written down."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from seatrial.machine import proc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

TERM_LIMIT_S = 5.0
KILL_LIMIT_S = 5.0
_POLL_S = 0.05


def find(detail: Mapping[str, Any], run: Path) -> tuple[int, ...]:
    """Return the processes that are left of a change of kind ``process``; see ``changes.ChangeLog``.

    A process counts only when boot, id and start time agree: ids are given away again. An intent has no id;
    it is looked for by its arguments, provided that they name a file of this very run.
    """
    if detail.get("boot_id") != proc.boot_id():
        return ()
    if "pid" not in detail:
        return _by_arguments(tuple(detail.get("argv", ())), run)
    pid, started_ticks = int(detail["pid"]), int(detail["started_ticks"])
    if proc.is_alive(pid, started_ticks):
        return tuple(dict.fromkeys((pid, *proc.descendants(pid), *proc.group(pid, started_ticks))))
    # The leader is gone; what is left of its group must still run the same program.
    programs = {os.path.realpath(word) for word in detail.get("argv", ())[:1]}
    return tuple(member for member in proc.group(pid, started_ticks) if proc.program(member) in programs)


def end(pids: Iterable[int]) -> tuple[int, ...]:
    """Send SIGTERM, after a while SIGKILL, and return those that are alive even so."""
    alive = {pid: ticks for pid in pids if (ticks := proc.started_ticks(pid)) is not None}
    for number, limit_s in ((signal.SIGTERM, TERM_LIMIT_S), (signal.SIGKILL, KILL_LIMIT_S)):
        for pid in _still(alive):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        deadline_s = time.monotonic() + limit_s
        while _still(alive) and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)
    return _still(alive)


def _still(pids: Mapping[int, int]) -> tuple[int, ...]:
    return tuple(pid for pid, ticks in pids.items() if proc.is_alive(pid, ticks))


def _by_arguments(argv: tuple[str, ...], run: Path) -> tuple[int, ...]:
    inside = str(run.resolve())
    if not any(inside in word for word in argv):
        return ()
    own = os.getpid()
    return tuple(pid for pid in proc.all_pids() if pid != own and proc.command_line(pid) == argv)
