"""Does another load of Seatrial run on this machine? All hold one lock together, each for as long as it runs."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

DIRECTORY = Path("/tmp")
"""One place for all loads, whatever their TMPDIR says."""

LOCK_NAME = "seatrial-loads.lock"
SEEN = "another load of Seatrial ran on this machine at the same time: each took CPU from the other"
NOT_KNOWN = (
    "not known: whether another load of Seatrial ran on this machine, for {path} cannot be locked ({cause})"
)


HELD = "another program keeps it for itself"
SHARE_TRIES, SHARE_REST_S = 10, 0.001
"""Another load has the lock for itself for microseconds, whenever it looks."""


class OtherLoads:
    """Says that a load runs here, and whether others do; use as a context manager.

    Loads in containers with a ``/tmp`` of their own do not see each other: their CPU is seen all the same.
    """

    def __init__(self, directory: Path = DIRECTORY) -> None:
        self.path = directory / LOCK_NAME
        self._descriptor = -1
        self._remark: str | None = None

    def __enter__(self) -> Self:
        """Take the lock with the others."""
        try:
            self._descriptor = _open(self.path)
            _share(self._descriptor)
        except OSError as error:
            self._give_up(error)
        return self

    def __exit__(self, *_: object) -> None:
        """Let go."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def look(self) -> str | None:
        """Look once; return what is to be said, which is None as long as no other load was seen."""
        if self._remark is None and self._descriptor >= 0:
            try:
                self._remark = None if self._alone() else SEEN
            except OSError as error:
                self._give_up(error)
        return self._remark

    def forget(self) -> None:
        """Forget what was seen: another trial begins."""
        if self._remark == SEEN:
            self._remark = None

    def _alone(self) -> bool:
        # Only who is alone can have the lock for itself. A try that fails may have given up the shared one.
        alone = False
        with suppress(OSError):
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        _share(self._descriptor)
        return alone

    def _give_up(self, error: OSError) -> None:
        cause = HELD if isinstance(error, BlockingIOError) else error.strerror or error
        self._remark = NOT_KNOWN.format(path=self.path, cause=cause)


def _share(descriptor: int) -> None:
    """Take the lock with the others; raises ``OSError``. Never waits for long: anybody may hold a file in /tmp."""
    for _ in range(SHARE_TRIES - 1):
        with suppress(BlockingIOError):
            return fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        time.sleep(SHARE_REST_S)
    return fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    # The kernel lets nobody open another user's file in /tmp where it might be created (fs.protected_regular).
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        with suppress(FileExistsError):
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
            os.fchmod(descriptor, 0o666)
            return descriptor
        return os.open(path, flags)
