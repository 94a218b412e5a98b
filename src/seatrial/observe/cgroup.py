"""How long the kernel has held a process's control group back for its CPU quota (cgroups v2, and v1)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_MICROSECOND_S = 1e-6
_NANOSECOND_S = 1e-9


def cpu_stat_file(pid: int) -> Path | None:
    """Return the cpu.stat of the process's group, or None where the kernel offers none for it."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return None
    groups = [line.split(":", 2) for line in lines]
    # Where both versions are mounted, the controller is attached to one of them: v1 names it in its line.
    v1 = next((path for _, names, path in groups if "cpu" in names.split(",")), None)
    v2 = next((path for number, _, path in groups if number == "0"), None)
    group, mount = (v1, _mounts()[0]) if v1 is not None else (v2, _mounts()[1])
    if group is None or mount is None:
        return None
    # In a container the path may be the host's, which is not below what is mounted; the mount is then the
    # group.
    candidates = (mount / group.lstrip("/") / "cpu.stat", mount / "cpu.stat")
    return next((path for path in candidates if path.exists()), None)


def throttled_s(cpu_stat: Path) -> float | None:
    """Read the time throttled so far in seconds; None where this group has no quota to be throttled by."""
    try:
        fields = dict(line.split() for line in cpu_stat.read_text().splitlines())
    except (OSError, ValueError):
        return None
    if "throttled_usec" in fields:
        return int(fields["throttled_usec"]) * _MICROSECOND_S
    if "throttled_time" in fields:
        return int(fields["throttled_time"]) * _NANOSECOND_S
    return None


@cache
def _mounts() -> tuple[Path | None, Path | None]:
    """Return where the CPU controller of v1, and where v2 is mounted."""
    v1 = v2 = None
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mount, kind, options, *_ = line.split()
        if kind == "cgroup" and "cpu" in options.split(","):
            v1 = Path(mount)
        elif kind == "cgroup2":
            v2 = Path(mount)
    return v1, v2
