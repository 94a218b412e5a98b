"""Who is on which CPUs and who shares them, as one plain sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.machine.cpus.lists import format_cpus
from seatrial.machine.cpus.pinning import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from seatrial.machine.members import Role

NAMES: Mapping[str, str] = {"seatrial": "Seatrial itself"}


def placement_text(
    by_role: Mapping[Role, frozenset[int]], cores: Iterable[Sequence[int]] = (), *, share: str = "shared"
) -> str:
    """Return the sentence, without a full stop; empty without roles. ``cores`` are those with several threads.

    ``generator on CPUs 0-3, system on 4-11, origin on 12-15`` where each has its own; who has CPUs in common is said.
    """
    roles = [role for role in ROLES if role in by_role]
    groups: dict[frozenset[int], list[Role]] = {}
    for role in roles:
        groups.setdefault(by_role[role], []).append(role)
    apart = _is_apart(list(groups))
    verb = share if apart else "on"
    parts: list[str] = []
    for cpus, own in groups.items():
        word = "" if parts else "CPUs " if len(cpus) > 1 else "CPU "
        parts.append(f"{_names(own)} {verb if len(own) > 1 else 'on'} {word}{format_cpus(cpus)}")
    return "; ".join(
        [
            ", ".join(parts),
            *([] if apart else _common(by_role, roles, share)),
            *_threads_of_one_core(by_role, roles, cores, share),
        ]
    )


def _is_apart(sets: Sequence[frozenset[int]]) -> bool:
    """Return whether no CPU is in two of them."""
    return sum(map(len, sets)) == len(frozenset().union(*sets))


def _common(by_role: Mapping[Role, frozenset[int]], roles: Sequence[Role], share: str) -> Iterator[str]:
    """Yield who has which CPUs in common."""
    found: dict[tuple[Role, ...], list[int]] = {}
    for cpu in sorted(frozenset().union(*by_role.values())):
        there = tuple(role for role in roles if cpu in by_role[role])
        if len(there) > 1:
            found.setdefault(there, []).append(cpu)
    for there, cpus in found.items():
        yield f"{_names(there)} {share} {'CPUs' if len(cpus) > 1 else 'CPU'} {format_cpus(cpus)}"


def _threads_of_one_core(
    by_role: Mapping[Role, frozenset[int]], roles: Sequence[Role], cores: Iterable[Sequence[int]], share: str
) -> Iterator[str]:
    """Yield who is on the other thread of somebody's core: the two have one core between them."""
    found: dict[tuple[Role, ...], list[Sequence[int]]] = {}
    for core in cores:
        own = {role: by_role[role].intersection(core) for role in roles if by_role[role].intersection(core)}
        beside = tuple(role for role in own if any(own[role].isdisjoint(cpus) for cpus in own.values()))
        if beside:
            found.setdefault(beside, []).append(core)
    for beside, shared in found.items():
        what = "a core" if len(shared) == 1 else f"{len(shared)} cores"
        cpus = format_cpus(cpu for core in shared for cpu in core)
        yield f"{_names(beside)} {share} {what}, each on threads of its own (CPUs {cpus})"


def _names(roles: Sequence[str]) -> str:
    names = [NAMES.get(role, role) for role in roles]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
