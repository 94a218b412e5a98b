"""Which CPUs each role of a trial is kept to: by a plan's own lists, or by what the machine has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from seatrial.machine.cpus.lists import format_cpus, parse_cpus
from seatrial.machine.members import Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seatrial.machine.cpus.layout import CpuLayout

ROLES: tuple[Role, ...] = ("generator", "system", "origin", "seatrial")
"""Those that run on this machine: a controller is a pod."""
AUTO_CORES_MIN = 4
"""One whole core for each of the four: generator, system, origin, and Seatrial itself, which samples and counts. With
fewer somebody shares in any case, and whoever is kept to a core would wait for it while another one is idle; the
scheduler, which may use all of them for all, then disturbs less than a list does."""

CpuChoice: TypeAlias = Literal["auto", "shared"] | Mapping[Role, str]
"""``auto``, ``shared`` (nobody is kept anywhere), or the lists of some roles in the kernel's notation."""


@dataclass(frozen=True, slots=True)
class CpusAsked:
    """What a trial was made with: the list of each role, empty where nothing was pinned; cores of several threads."""

    by_role: Mapping[str, str] = field(default_factory=dict)
    cores: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pinning:
    """The CPUs of each role: of all of them, or of none, where nothing is pinned. ``cores`` are the machine's."""

    by_role: Mapping[Role, frozenset[int]] = field(default_factory=dict)
    cores: tuple[tuple[int, ...], ...] = ()

    def of(self, role: Role) -> frozenset[int] | None:
        """Return those of a role; None where it may use any."""
        return self.by_role.get(role)

    @property
    def asked(self) -> CpusAsked:
        """What the record keeps of it."""
        return CpusAsked(
            {role: format_cpus(cpus) for role, cpus in self.by_role.items()},
            tuple(format_cpus(core) for core in self.cores if len(core) > 1),
        )


def pinning_of(choice: CpuChoice, layout: CpuLayout, quota_cores: float | None = None) -> Pinning:
    """Return who is kept to which CPUs; ``quota_cores`` is the CPU time that the control group allows.

    What a plan asks for has to be there: see :func:`not_there`.
    """
    if choice == "shared":
        return Pinning(cores=layout.cores)
    if choice == "auto":
        return Pinning(_by_cores(usable_cores(layout, quota_cores)), layout.cores)
    given = {role: parse_cpus(text) for role, text in choice.items()}
    allowed = frozenset(layout.allowed)
    rest = allowed - frozenset().union(*given.values()) or allowed
    return Pinning({role: given.get(role, rest) for role in ROLES}, layout.cores)


def not_there(choice: CpuChoice, layout: CpuLayout) -> Iterator[tuple[Role, frozenset[int]]]:
    """Yield each role of a plan's lists with its CPUs that this process may not use, if there are any."""
    if isinstance(choice, str):
        return
    for role, text in choice.items():
        if missing := parse_cpus(text) - frozenset(layout.allowed):
            yield role, missing


def usable_cores(layout: CpuLayout, quota_cores: float | None) -> tuple[tuple[int, ...], ...]:
    """Return as many of the whole cores as the quota keeps busy: kept to those, nobody is ever throttled."""
    cores, threads = [], 0
    for core in layout.whole_cores:
        threads += len(core)
        if quota_cores is not None and threads > quota_cores:
            break
        cores.append(core)
    return tuple(cores)


def _by_cores(cores: Sequence[tuple[int, ...]]) -> dict[Role, frozenset[int]]:
    """Split them: a core for Seatrial, a quarter each for generator and origin, and the rest for the system.

    A request costs a proxy two to three times what it costs the generator, and the origin about as much as that
    (measured, see ``preflight/cpu.py``). Seatrial has the first core, where kernels put most of their own work; the
    cores of a role are beside each other, and so mostly share a cache.
    """
    if len(cores) < AUTO_CORES_MIN:
        return {}
    quarter = len(cores) // 4
    own, rest = cores[:1], cores[1:]
    parts: dict[Role, Sequence[tuple[int, ...]]] = {
        "generator": rest[:quarter],
        "system": rest[quarter:-quarter],
        "origin": rest[-quarter:],
        "seatrial": own,
    }
    return {role: frozenset(cpu for core in part for cpu in core) for role, part in parts.items()}
