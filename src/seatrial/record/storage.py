"""What a disk that is full, broken or read-only does to a run, in words."""

from __future__ import annotations

import errno
import os
import sqlite3
from typing import TYPE_CHECKING

from seatrial.errors import StorageFault
from seatrial.units import format_size

if TYPE_CHECKING:
    from pathlib import Path

READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
"""A place that may be read only: nothing is wrong with it, and nothing can be made there."""
BROKEN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.ENXIO, errno.ESTALE})
"""What is written does not fit, or the device, a network's too, does not take it."""
GONE = frozenset({errno.ENOENT, errno.ENOTDIR})
"""Somebody removed or moved the run's directory."""
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_PRIMARY_CODE = 0xFF


def is_of_disk(error: OSError) -> bool:
    """Return whether an error can only be the disk's, whatever was under way."""
    return error.errno in BROKEN or error.errno == errno.EROFS


def is_of_storage(error: BaseException) -> bool:
    """Return whether an error in writing the record is the disk's, and no mistake of the program."""
    if isinstance(error, OSError):
        return error.errno in BROKEN | READ_ONLY | GONE
    # Its subclasses, but for this one, say that a statement was wrong.
    return type(error) in {sqlite3.OperationalError, sqlite3.DatabaseError}


def is_locked(error: sqlite3.Error) -> bool:
    """Return whether somebody else holds the database for the moment."""
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE in _LOCKED


def storage_fault(what: str, error: BaseException, where: Path, next_step: str | None = None) -> StorageFault:
    """Return the error that says why ``what`` failed at ``where``, and how much room there is."""
    cause = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    number = error.errno if isinstance(error, OSError) else None
    return StorageFault(
        what,
        cause=f"{cause}; {_room(where)}",
        next_step=next_step or "free some space there, or name another place with --runs",
        is_read_only=number in READ_ONLY,
    )


def _room(where: Path) -> str:
    """Return how much room is left where ``where`` is or was to be."""
    there = next(path for path in (where, *where.absolute().parents) if path.exists())
    try:
        found = os.statvfs(there)
    except OSError as error:
        return f"{there} cannot be looked at: {error.strerror}"
    free, of = (format_size(blocks * found.f_frsize) for blocks in (found.f_bavail, found.f_blocks))
    return f"{free} of {of} are free at {there}"
