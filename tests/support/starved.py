"""Starving a program for real: by a CPU quota where one can be set, else by busy neighbours on its only core."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PERIOD_US = 100_000
NEIGHBOURS = 11
"""Each in a session of its own, as the kernel may share a core among sessions: they leave a twelfth of it."""
REMOVAL_LIMIT_S = 5.0

# CAP_SYS_NICE (23) is left behind by PR_CAPBSET_DROP (24): what runs first by SCHED_FIFO is under no quota.
ENTER = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(24, 23, 0, 0, 0)
kind, where, *argv = sys.argv[1:]
if kind == "group":
    with open(where, "w") as file:
        file.write(str(os.getpid()))
else:
    os.sched_setaffinity(0, {int(where)})
os.execv(argv[0], argv)
"""


@dataclass(frozen=True, slots=True)
class Hunger:
    """``prefix`` runs a command starved; its load must give one of ``codes`` as reasons; ``group`` is removed."""

    prefix: tuple[str, ...]
    codes: tuple[str, ...]
    group: Path | None = None


@contextmanager
def starved(fraction: float, *, by_quota: bool = True) -> Iterator[Hunger]:
    """Leave this fraction of one core, or with neighbours a share of it, to whatever runs with the prefix."""
    with ExitStack() as stack:
        group = next((made for parent in _parents() if by_quota and (made := _make(parent, fraction))), None)
        if group is not None:
            stack.callback(_remove, group)
            enter = (sys.executable, "-c", ENTER, "group", str(group / "cgroup.procs"))
            yield Hunger(enter, ("environment.throttled",), group)
            return
        core = min(os.sched_getaffinity(0))
        for _ in range(NEIGHBOURS):
            stack.enter_context(_busy(core))
        yield Hunger((sys.executable, "-c", ENTER, "core", str(core)), ("generator.late", "generator.unread"))


def _parents() -> Iterator[Path]:
    """Yield where a group with a quota may be made: below this process's own, under cgroup v1 and v2."""
    own = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mount, kind, options, *_ = line.split()
        if kind == "cgroup" and "cpu" in options.split(","):
            path = next((path for names, path in own.items() if "cpu" in names.split(",")), "/")
        elif kind == "cgroup2":
            path = own.get("", "/")
            with suppress(OSError):
                (Path(mount) / path.lstrip("/") / "cgroup.subtree_control").write_text("+cpu")
        else:
            continue
        below = Path(mount) / path.lstrip("/")
        yield below if below.is_dir() else Path(mount)


def _make(parent: Path, fraction: float) -> Path | None:
    group, quota_us = parent / f"seatrial-test-{uuid.uuid4().hex}", round(fraction * PERIOD_US)
    try:
        group.mkdir()
    except OSError:
        return None
    try:
        if (group / "cpu.cfs_quota_us").exists():
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota_us))
        else:
            # Opened without O_CREAT: where the controller is missing, there is no such file.
            with (group / "cpu.max").open("r+") as file:
                file.write(f"{quota_us} {PERIOD_US}")
    except OSError:
        group.rmdir()
        return None
    return group


def _remove(group: Path) -> None:
    """Remove the group; whatever a test that failed left in it is ended first."""
    deadline_s = time.monotonic() + REMOVAL_LIMIT_S
    while True:
        try:
            group.rmdir()
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            for pid in (group / "cgroup.procs").read_text().split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.05)
        else:
            return


@contextmanager
def _busy(core: int) -> Iterator[None]:
    code = f"import os\nos.sched_setaffinity(0, {{{core}}})\nwhile os.getppid() == {os.getpid()}: pass"
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as process:
        try:
            yield
        finally:
            process.kill()
