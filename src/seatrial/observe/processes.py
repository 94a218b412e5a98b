"""Samples of processes from /proc: CPU, memory, descriptors, threads and their switches, throttling."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from seatrial.machine import proc
from seatrial.machine import throttling as cgroup
from seatrial.machine.cpus.lists import format_cpus, parse_cpus
from seatrial.machine.memory import pss_bytes
from seatrial.observe.samples import ProcessGone, ProcessSample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seatrial.machine.members import Member, Role
    from seatrial.machine.proc import ProcessRef

PSS_LARGE_BYTES = 64 << 20
PSS_EVERY, PSS_EVERY_SMALL = 10, 5
"""For a PSS the kernel walks every page, holding the process's memory map meanwhile: seldom, and more so if large.

What a process shares hardly moves meanwhile: it is interpolated, and its RSS is known at every look. The PSS of a
process of 22 MB took 0.3 ms of CPU, as much as all else that is asked of it.
"""
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class ProcessSampler:
    """Remembers what it has seen, so that a process that has gone away is reported, once."""

    def __init__(self) -> None:
        self._seen: dict[_Watched, _Memory] = {}

    def sample(
        self, members: Iterable[Member], at_s: float, *, closely: bool = False, threads: bool = False
    ) -> list[ProcessSample | ProcessGone]:
        """Look at each process of theirs once; those seen before and no longer alive come as ``ProcessGone``.

        ``closely`` takes the PSS of large ones, too, which holds them up; ``threads`` asks each for its switches.
        """
        throttled: dict[tuple[Path, ...], float | None] = {}
        before, self._seen = self._seen, {}
        found: list[ProcessSample | ProcessGone] = []
        for watched in dict.fromkeys(_watched(members)):
            memory = before.get(watched) or _Memory(watched.process.pid)
            sample = _sample(watched, memory, throttled, at_s, closely=closely, threads=threads)
            if sample is not None:
                self._seen[watched] = memory
                found.append(sample)
        # Those that still live but are no longer asked for are forgotten: who asks knows why.
        missing = (watched for watched in before if watched not in self._seen)
        found.extend(ProcessGone(at_s, *watched) for watched in missing if not _is_alive(watched.process))
        return found


class _Watched(NamedTuple):
    """A process, and whose it is."""

    role: Role
    member: str
    process: ProcessRef


def _watched(members: Iterable[Member]) -> Iterator[_Watched]:
    for member in members:
        for process in member.processes:
            yield _Watched(member.role, member.name, process)


def _is_alive(process: ProcessRef) -> bool:
    return proc.is_alive(process.pid, process.started_ticks)


class _Memory:
    """What is kept of a process between two looks."""

    def __init__(self, pid: int) -> None:
        self.looks = 0
        self.cpu_stats = cgroup.cpu_stat_files(pid)


def _sample(
    watched: _Watched,
    memory: _Memory,
    throttled: dict[tuple[Path, ...], float | None],
    at_s: float,
    *,
    closely: bool,
    threads: bool,
) -> ProcessSample | None:
    """Look once; ``throttled`` is shared, because many processes are in the same groups."""
    process = watched.process
    its = proc.stat(process.pid)
    if its is None or its.started_ticks != process.started_ticks or its.state in {"Z", "X"}:
        return None
    if memory.cpu_stats not in throttled:
        throttled[memory.cpu_stats] = cgroup.throttled_s(memory.cpu_stats)
    rss_bytes = its.rss_pages * _PAGE_BYTES
    every = PSS_EVERY if rss_bytes >= PSS_LARGE_BYTES else PSS_EVERY_SMALL
    wants_pss = closely or memory.looks % every == 0
    memory.looks += 1
    scheduling = proc.scheduling(process.pid) if threads else None
    return ProcessSample(
        at_s=at_s,
        role=watched.role,
        member=watched.member,
        incarnation=process.incarnation,
        name=process.name,
        cpu_user_s=its.user_ticks * _TICK_S,
        cpu_system_s=its.system_ticks * _TICK_S,
        rss_bytes=rss_bytes,
        pss_bytes=pss_bytes(process.pid) if wants_pss else None,
        fds=descriptors(process.pid),
        threads=its.threads,
        throttled_s=throttled[memory.cpu_stats],
        voluntary_switches=None if scheduling is None else scheduling.voluntary_switches,
        involuntary_switches=None if scheduling is None else scheduling.involuntary_switches,
        cpu_wait_s=None if scheduling is None else scheduling.wait_s,
        cpus_allowed=None if scheduling is None else _all_of(scheduling.cpus),
    )


def _all_of(lists: frozenset[str]) -> str | None:
    # Of most processes all threads have the same.
    if len(lists) == 1:
        return next(iter(lists))
    return format_cpus(cpu for cpus in lists for cpu in parse_cpus(cpus)) or None


def descriptors(pid: int) -> int | None:
    """Return how many file descriptors are open; None if denied.

    Linux 6.2 and later give it as the directory's size; before that 100,000 entries have to be listed.
    """
    path = f"/proc/{pid}/fd"
    try:
        return Path(path).stat().st_size or len(os.listdir(path))  # noqa: PTH208
    except OSError:
        return None
