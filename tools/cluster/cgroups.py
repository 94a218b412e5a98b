"""Control groups of the nodes, in cgroup v1 (one tree a controller) and v2 (one tree)."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

REMOVE_LIMIT_S = 10.0
_MOUNTS = Path("/proc/self/mounts")
_POLL_S = 0.05


def make(path: str) -> None:
    """Make a group in every tree, with what its parent may use: a kubelet makes the groups of its pods below."""
    for tree in _trees():
        group = tree
        for name in path.strip("/").split("/"):
            parent, group = group, group / name
            _hand_on_controllers(parent)
            group.mkdir(exist_ok=True)
            _hand_on_cpus(parent, group)


def members(path: str) -> set[int]:
    """Return the processes in a group and below."""
    found = set()
    for group in folders(path):
        with suppress(OSError):
            found |= {int(line) for line in (group / "cgroup.procs").read_text().split()}
    return found


def remove(path: str) -> None:
    """Remove a group and those below it, once the kernel has let go of the processes that were in them."""
    deadline_s = time.monotonic() + REMOVE_LIMIT_S
    while (left := folders(path)) and time.monotonic() < deadline_s:
        for group in left:
            with suppress(OSError):
                group.rmdir()
        time.sleep(_POLL_S)


def folders(path: str) -> list[Path]:
    """Return a group and those below it in every tree, the deepest first."""
    return [group for tree in _trees() for group in _below(tree / path.strip("/"))]


def _below(group: Path) -> Iterator[Path]:
    if not group.is_dir():
        return
    with suppress(OSError):
        for inner in group.iterdir():
            if inner.is_dir():
                yield from _below(inner)
    yield group


def _trees() -> list[Path]:
    mounts = (line.split() for line in _MOUNTS.read_text().splitlines())
    return [Path(fields[1]) for fields in mounts if fields[2] in {"cgroup", "cgroup2"}]


def _hand_on_controllers(parent: Path) -> None:
    """Have the groups below have every controller: v2 gives them none by itself."""
    names = parent / "cgroup.controllers"
    if names.exists():
        for name in names.read_text().split():
            with suppress(OSError):
                (parent / "cgroup.subtree_control").write_text(f"+{name}")


def _hand_on_cpus(parent: Path, group: Path) -> None:
    """Give a group its parent's CPUs and memory nodes: in v1 it begins with none, and nothing could run in it."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (parent / "tasks").exists() and (parent / name).exists():
            (group / name).write_text((parent / name).read_text())
