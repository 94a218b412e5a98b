"""Samples of processes from /proc: CPU, memory, descriptors, threads, throttling."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.machine import proc
from seatrial.machine import throttling as cgroup
from seatrial.machine.memory import pss_bytes
from seatrial.machine.proc import ProcessRef, Role
from seatrial.observe.samples import ProcessGone, ProcessSample

if TYPE_CHECKING:
    from collections.abc import Iterable

PSS_LARGE_BYTES = 64 << 20
PSS_EVERY = 10
"""For a PSS the kernel walks every page, holding the process's memory map meanwhile: seldom if large."""
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class ProcessSampler:
    """Remembers what it has seen, so that a process that has gone away is reported, once."""

    def __init__(self) -> None:
        self._seen: dict[ProcessRef, _Memory] = {}

    def sample(
        self, refs: Iterable[ProcessRef], at_s: float, *, closely: bool = False
    ) -> list[ProcessSample | ProcessGone]:
        """Look at each process once; those seen before and no longer alive come as ``ProcessGone``.

        ``closely`` takes the PSS of large ones, too, which holds them up.
        """
        throttled: dict[tuple[Path, ...], float | None] = {}
        before, self._seen = self._seen, {}
        found: list[ProcessSample | ProcessGone] = []
        for ref in dict.fromkeys(refs):
            memory = before.get(ref) or _Memory(ref.pid)
            sample = _sample(ref, memory, throttled, at_s, closely=closely)
            if sample is not None:
                self._seen[ref] = memory
                found.append(sample)
        # Those that still live but are no longer asked for are forgotten: who asks knows why.
        missing = (ref for ref in before if ref not in self._seen)
        gone = (ref for ref in missing if not proc.is_alive(ref.pid, ref.started_ticks))
        found.extend(ProcessGone(at_s, ref.role, ref.name, ref.pid) for ref in gone)
        return found


def reference(role: Role, name: str, pid: int) -> ProcessRef | None:
    """Return what distinguishes this process from a later one with its id; None where there is none."""
    ticks = proc.started_ticks(pid)
    return None if ticks is None else ProcessRef(role, name, pid, ticks)


class _Memory:
    """What is kept of a process between two looks."""

    def __init__(self, pid: int) -> None:
        self.looks = 0
        self.cpu_stats = cgroup.cpu_stat_files(pid)


def _sample(
    ref: ProcessRef,
    memory: _Memory,
    throttled: dict[tuple[Path, ...], float | None],
    at_s: float,
    *,
    closely: bool,
) -> ProcessSample | None:
    """Look once; ``throttled`` is shared, because many processes are in the same groups."""
    its = proc.stat(ref.pid)
    if its is None or its.started_ticks != ref.started_ticks or its.state in {"Z", "X"}:
        return None
    if memory.cpu_stats not in throttled:
        throttled[memory.cpu_stats] = cgroup.throttled_s(memory.cpu_stats)
    rss_bytes = its.rss_pages * _PAGE_BYTES
    wants_pss = closely or rss_bytes < PSS_LARGE_BYTES or memory.looks % PSS_EVERY == 0
    memory.looks += 1
    return ProcessSample(
        at_s=at_s,
        role=ref.role,
        name=ref.name,
        pid=ref.pid,
        cpu_user_s=its.user_ticks * _TICK_S,
        cpu_system_s=its.system_ticks * _TICK_S,
        rss_bytes=rss_bytes,
        pss_bytes=pss_bytes(ref.pid) if wants_pss else None,
        fds=descriptors(ref.pid),
        threads=its.threads,
        throttled_s=throttled[memory.cpu_stats],
    )


def descriptors(pid: int) -> int | None:
    """Return how many file descriptors are open; None if denied.

    Linux 6.2 and later give it as the directory's size; before that 100,000 entries have to be listed.
    """
    path = f"/proc/{pid}/fd"
    try:
        return Path(path).stat().st_size or len(os.listdir(path))  # noqa: PTH208
    except OSError:
        return None
