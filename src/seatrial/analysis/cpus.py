"""On which CPUs each role was: what the kernel said of every thread of its processes in the measure window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.analysis.load.window import EDGE_S, NANOSECONDS
from seatrial.machine.cpus.lists import format_cpus, parse_cpus
from seatrial.machine.cpus.pinning import ROLES
from seatrial.machine.cpus.words import placement_text
from seatrial.machine.members import Role

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seatrial.analysis.load.window import Window
    from seatrial.machine.cpus.pinning import CpusAsked
    from seatrial.observe.samples import ProcessSample


@dataclass(frozen=True, slots=True)
class ProcessCpus:
    """The CPUs, in the kernel's notation, that a process might use at any look in the window."""

    member: str
    process: str
    cpus: str


@dataclass(frozen=True, slots=True)
class RoleCpus:
    """Those of all processes of a role together, and of each; one that was restarted is several."""

    role: Role
    cpus: str
    processes: tuple[ProcessCpus, ...]


def cpus_in(samples: Iterable[ProcessSample], window: Window | None) -> tuple[RoleCpus, ...]:
    """Return what was found from the look at the start of the window to the one at its end, a role each."""
    if window is None:
        return ()
    end_s = window.end_ns / NANOSECONDS + EDGE_S
    found: dict[tuple[Role, str, str], tuple[str, set[str]]] = {}
    for sample in samples:
        # Where threads were not asked, nothing was read.
        if sample.cpus_allowed and window.start_ns / NANOSECONDS <= sample.at_s <= end_s:
            found.setdefault(sample.key, (sample.name, set()))[1].add(sample.cpus_allowed)
    by_role: dict[Role, list[ProcessCpus]] = {}
    for (role, member, _), (name, lists) in found.items():
        by_role.setdefault(role, []).append(ProcessCpus(member, name, _joined(lists)))
    return tuple(
        RoleCpus(role, _joined(one.cpus for one in by_role[role]), tuple(by_role[role]))
        for role in ROLES
        if role in by_role
    )


def cpus_text(found: Sequence[RoleCpus], asked: CpusAsked) -> str:
    """Return who was where, and who shared what with whom, as one sentence without a full stop; empty if not known."""
    by_role = {one.role: parse_cpus(one.cpus) for one in found}
    cores = [sorted(parse_cpus(core)) for core in asked.cores]
    return placement_text(by_role, cores) if by_role else ""


def _joined(lists: Iterable[str]) -> str:
    distinct = set(lists)
    # Mostly all are the same, and parsed for nothing.
    return (
        distinct.pop()
        if len(distinct) == 1
        else format_cpus(cpu for one in distinct for cpu in parse_cpus(one))
    )
