"""Which CPUs there are, which of them this process may use, and which are the threads of one core."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from seatrial.machine.cpus.lists import parse_cpus

_CPUS = Path("sys/devices/system/cpu")


@dataclass(frozen=True, slots=True)
class CpuLayout:
    """The CPUs that are ``online``, those that this process is ``allowed``, and the threads of each core.

    ``cores`` are those of which this process may use any thread, by their first one; empty where the kernel does not
    say which threads are of one.
    """

    online: tuple[int, ...] = ()
    allowed: tuple[int, ...] = ()
    cores: tuple[tuple[int, ...], ...] = ()

    @property
    def whole_cores(self) -> tuple[tuple[int, ...], ...]:
        """The cores all of whose threads this process may use: on no other thread of them anybody else may be put."""
        allowed = set(self.allowed)
        return tuple(core for core in self.cores if allowed.issuperset(core))


def read_layout(root: Path = Path("/"), allowed: frozenset[int] | None = None) -> CpuLayout:
    """Read it; ``root`` is where ``/sys`` is, ``allowed`` is by default what the kernel allows this process.

    A control group's cpuset is in what is allowed (sched_setaffinity(2)).
    """
    own = frozenset(os.sched_getaffinity(0)) if allowed is None else allowed
    cores = {_threads(root, cpu) for cpu in own}
    # One that is not known may be half of any other.
    known = {core for core in cores if core is not None} if None not in cores else set()
    online = _listed(root / _CPUS / "online") or own
    return CpuLayout(
        tuple(sorted(online)), tuple(sorted(own)), tuple(sorted(tuple(sorted(core)) for core in known))
    )


def _threads(root: Path, cpu: int) -> frozenset[int] | None:
    return _listed(root / _CPUS / f"cpu{cpu}/topology/thread_siblings_list")


def _listed(path: Path) -> frozenset[int] | None:
    try:
        return parse_cpus(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None
