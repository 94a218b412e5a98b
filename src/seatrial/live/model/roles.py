"""What each member of each role uses now: CPU between its last two looks, and memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial.analysis.looks import cpu_s_of
from seatrial.analysis.resources import CPU_SPAN_MIN_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seatrial.machine.members import Role
    from seatrial.observe.samples import ProcessSample

GONE_AFTER_S = 3.0
"""A process that was not looked at for three looks of one second has ended. Of pods kubelets look every 10 to 20 s."""
POD_GONE_AFTER_S = 60.0

Key = tuple[str, str]
"""Of a member: its role and its name."""


@dataclass(frozen=True, slots=True)
class MemberUse:
    """What one member uses: cores (None until it was looked at twice), and memory in bytes (None is unknown)."""

    role: Role
    member: str
    at_s: float
    cores: float | None
    memory_bytes: int | None
    processes: int


@dataclass(slots=True)
class _Process:
    first: ProcessSample
    last: ProcessSample
    cores: float | None = None
    shared_bytes: int = 0

    def look(self, sample: ProcessSample) -> None:
        # PSS is read at some looks only. What a process shares with others, RSS less PSS, hardly moves until the next.
        if sample.pss_bytes is not None and sample.rss_bytes is not None:
            self.shared_bytes = sample.rss_bytes - sample.pss_bytes
        self.last = sample

    @property
    def memory_bytes(self) -> int | None:
        if self.last.working_set_bytes is not None:
            return self.last.working_set_bytes
        return None if self.last.rss_bytes is None else self.last.rss_bytes - self.shared_bytes


@dataclass(slots=True)
class MembersUse:
    """Keeps the last looks at the processes of a trial."""

    _processes: dict[tuple[str, str, str], _Process] = field(default_factory=dict)

    def take(self, sample: ProcessSample) -> None:
        """Take one look at one process."""
        known = self._processes.get(sample.key)
        if known is None:
            self._processes[sample.key] = known = _Process(sample, sample)
            known.look(sample)
            return
        apart_s = sample.at_s - known.last.at_s
        if apart_s < CPU_SPAN_MIN_S:
            return
        known.cores = max(0.0, cpu_s_of(sample) - cpu_s_of(known.last)) / apart_s
        known.look(sample)

    @property
    def cpu_s(self) -> float:
        """The CPU time of all of them here since they were first seen; what a pod used, it used elsewhere."""
        here = (process for process in self._processes.values() if process.last.working_set_bytes is None)
        return sum(cpu_s_of(process.last) - cpu_s_of(process.first) for process in here)

    def now(self, at_s: float) -> tuple[MemberUse, ...]:
        """Return every member that was there lately, by role and name."""
        found: dict[Key, list[_Process]] = {}
        for process in self._processes.values():
            if at_s - process.last.at_s <= _gone_after_s(process.last):
                found.setdefault((process.last.role, process.last.member), []).append(process)
        return tuple(_use(own) for _, own in sorted(found.items()))


def _gone_after_s(sample: ProcessSample) -> float:
    return GONE_AFTER_S if sample.working_set_bytes is None else POD_GONE_AFTER_S


def _use(processes: list[_Process]) -> MemberUse:
    last = max((process.last for process in processes), key=lambda sample: sample.at_s)
    cores = [process.cores for process in processes if process.cores is not None]
    sizes = [size for process in processes if (size := process.memory_bytes) is not None]
    return MemberUse(
        role=last.role,
        member=last.member,
        at_s=last.at_s,
        cores=sum(cores) if cores else None,
        memory_bytes=sum(sizes) if sizes else None,
        processes=len(processes),
    )


def by_role(members: Iterable[MemberUse]) -> dict[str, tuple[float | None, int | None]]:
    """Return the cores and the bytes of each role, over its members; None where nothing is known of them."""
    found: dict[str, list[MemberUse]] = {}
    for member in members:
        found.setdefault(member.role, []).append(member)
    return {role: (_cores(own), _memory_bytes(own)) for role, own in found.items()}


def _cores(members: Iterable[MemberUse]) -> float | None:
    known = [member.cores for member in members if member.cores is not None]
    return sum(known) if known else None


def _memory_bytes(members: Iterable[MemberUse]) -> int | None:
    known = [member.memory_bytes for member in members if member.memory_bytes is not None]
    return sum(known) if known else None
