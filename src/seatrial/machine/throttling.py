"""How long the kernel has held a process back for the CPU quotas of its control groups (cgroups v2, and v1)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.machine.cgroup import groups

if TYPE_CHECKING:
    from collections.abc import Iterable

_MICROSECOND_S = 1e-6
_NANOSECOND_S = 1e-9


def cpu_stat_files(pid: int, root: Path = Path("/")) -> tuple[Path, ...]:
    """Return the cpu.stat of the process's group and of every group above it that can be seen from here.

    A quota on any of them holds the process back. ``root`` is where ``/proc`` and ``/sys`` are.
    """
    # A hierarchy may be mounted twice; its groups are the same ones then, and count once.
    once: dict[tuple[int, int], Path] = {}
    for group in groups(root, "cpu", str(pid)):
        file = group / "cpu.stat"
        with suppress(OSError):
            identity = file.stat()
            once[identity.st_dev, identity.st_ino] = file
    return tuple(once.values())


def throttled_s(cpu_stats: Iterable[Path]) -> float | None:
    """Sum up the time throttled so far in seconds; None where no group has a quota to be throttled by.

    The sum, because what counts is how much it grows: groups are throttled by turns, as a group that its parent stops
    does not use up its own quota, and the greatest of several histories would hide the growth of a lesser one.
    """
    found = [seconds for cpu_stat in cpu_stats if (seconds := _throttled_s(cpu_stat)) is not None]
    return sum(found) if found else None


def _throttled_s(cpu_stat: Path) -> float | None:
    try:
        fields = dict(line.split() for line in cpu_stat.read_text().splitlines())
    except (OSError, ValueError):
        return None
    if "throttled_usec" in fields:
        return int(fields["throttled_usec"]) * _MICROSECOND_S
    if "throttled_time" in fields:
        return int(fields["throttled_time"]) * _NANOSECOND_S
    return None
