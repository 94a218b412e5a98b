"""A lock that says "a run is writing here"; the kernel drops it when the process dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from seatrial.errors import RecordError

if TYPE_CHECKING:
    from pathlib import Path

LOCK_FILE = "run.lock"


class RunLock:
    """Held for as long as a run is written. The file holds the process id, for people."""

    def __init__(self, directory: Path) -> None:
        """Take the lock, or raise :class:`RecordError` where another run holds it."""
        self._descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if not _try_lock(self._descriptor, fcntl.LOCK_EX):
            os.close(self._descriptor)
            raise held_by_another(directory)
        # For people; the lock holds without it, on a disk that is full too.
        with suppress(OSError):
            os.truncate(self._descriptor, 0)
            os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let go; safe to call twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def held_by_another(directory: Path) -> RecordError:
    """Return the error that says that a run is being written."""
    pid = holder(directory)
    return RecordError(
        f"{directory} is being written by another run",
        cause=f"its lock is held by a living process{'' if pid is None else f' ({pid})'}",
        next_step=f"wait for it, or stop the process named in {directory / LOCK_FILE}",
    )


def is_live(directory: Path) -> bool:
    """Return whether a living process is writing this run."""
    try:
        descriptor = os.open(directory / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def holder(directory: Path) -> int | None:
    """Return the process id that wrote the lock file last, if any."""
    try:
        return int((directory / LOCK_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
