"""The CPUs of this process itself."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault
from seatrial.machine.cpus.lists import format_cpus

if TYPE_CHECKING:
    from collections.abc import Iterator

_TASKS = Path("/proc/self/task")


@contextmanager
def kept_to(cpus: frozenset[int] | None) -> Iterator[None]:
    """Have every thread of this process be on these CPUs meanwhile, and what it starts unless told otherwise.

    None leaves it where it is. Raises ``EnvironmentFault`` where it may not be there.
    """
    if cpus is None:
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        _move(cpus)
    except OSError as error:
        with suppress(OSError):
            _move(before)
        raise EnvironmentFault(
            f"Seatrial itself cannot be kept to the CPUs {format_cpus(cpus)}",
            cause=error.strerror,
            next_step="see which CPUs it may use (Cpus_allowed_list in /proc/self/status), or use `cpus: shared`",
        ) from error
    try:
        yield
    finally:
        # Whoever took them away meanwhile has put it where it may be.
        with suppress(OSError):
            _move(before)


def _move(cpus: frozenset[int] | set[int]) -> None:
    """Move every thread: an affinity is a thread's own, and a new one has that of the thread that started it."""
    moved: set[str] = set()
    while threads := {task.name for task in _TASKS.iterdir()} - moved:
        for thread in threads:
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), cpus)
        moved |= threads
