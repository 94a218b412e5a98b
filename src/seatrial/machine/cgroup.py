"""The CPU and memory that this process's control groups leave to it, under cgroup v1 and v2.

A limit may be set on any group from one's own up to the root, so the tightest on the way counts. Inside a container the
path of ``/proc/self/cgroup`` may be the host's; then the mounted root is the container's own group.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Cgroup v1 says "no limit" with the largest number of pages that fits; no machine has an exabyte.
_UNLIMITED_BYTES = 1 << 60


@dataclass(frozen=True, slots=True)
class CgroupLimits:
    """None is "no limit". ``memory_left_bytes`` is the limit less what is used and cannot be reclaimed."""

    cpu_cores: float | None = None
    memory_limit_bytes: int | None = None
    memory_left_bytes: int | None = None


def read_cgroup_limits(root: Path = Path("/")) -> CgroupLimits:
    """Read the limits; ``root`` is where ``/proc`` and ``/sys`` are. Unreadable files count as no limit."""
    cpu = [cores for group in groups(root, "cpu") if (cores := _cpu_cores(group)) is not None]
    memory = [pair for group in groups(root, "memory") if (pair := _memory(group)) is not None]
    return CgroupLimits(
        cpu_cores=min(cpu, default=None),
        memory_limit_bytes=min((limit for limit, _ in memory), default=None),
        memory_left_bytes=min((left for _, left in memory), default=None),
    )


def groups(root: Path, controller: str, pid: str = "self") -> Iterator[Path]:
    """Yield the directories of a process's own group and its parents, for v1's controller and for v2."""
    paths = _own_paths(root, pid)
    for mount, kind, options in _mounts(root):
        if kind == "cgroup" and controller in options:
            yield from _upward(root, mount, paths.get(controller, "/"))
        elif kind == "cgroup2":
            yield from _upward(root, mount, paths.get("", "/"))


def _own_paths(root: Path, pid: str) -> dict[str, str]:
    """Map each v1 controller, and "" for v2, to the process's group."""
    paths: dict[str, str] = {}
    for line in _read(root / "proc" / pid / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def _mounts(root: Path) -> Iterator[tuple[str, str, list[str]]]:
    for line in _read(root / "proc/self/mountinfo").splitlines():
        mount, _, source = line.partition(" - ")
        fields = source.split(" ")
        if len(fields) == 3 and fields[0] in {"cgroup", "cgroup2"}:
            yield mount.split(" ")[4], fields[0], fields[2].split(",")


def _upward(root: Path, mount: str, path: str) -> Iterator[Path]:
    top = root / mount.lstrip("/")
    group = top / path.lstrip("/")
    if not group.is_dir():
        group = top
    yield group
    yield from (parent for parent in group.parents if parent == top or top in parent.parents)


def _cpu_cores(group: Path) -> float | None:
    quota, _, period = _read(group / "cpu.max").strip().partition(" ")
    if not quota:
        quota, period = _read(group / "cpu.cfs_quota_us").strip(), _read(group / "cpu.cfs_period_us").strip()
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _memory(group: Path) -> tuple[int, int] | None:
    names = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
    for limit_name, used_name in names:
        limit, used = _read(group / limit_name).strip(), _read(group / used_name).strip()
        if limit.isdigit() and int(limit) < _UNLIMITED_BYTES:
            occupied = (int(used) if used.isdigit() else 0) - _reclaimable(group)
            return int(limit), max(0, int(limit) - max(0, occupied))
    return None


def _reclaimable(group: Path) -> int:
    """Return the file pages that the kernel would give back first, as the kubelet's working set leaves out too."""
    stat = dict(line.split(" ", 1) for line in _read(group / "memory.stat").splitlines() if " " in line)
    return int(stat.get("total_inactive_file", stat.get("inactive_file", "0")))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
