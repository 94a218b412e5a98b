"""What each role used, from samples of its processes: CPU over the measure phase, peaks over the trial.

CPU is a cumulative counter, so means are exact differences between two looks; curves of several processes are added
on one grid of times by linear interpolation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING

from seatrial.analysis.load.window import EDGE_S, NANOSECONDS, by_worker
from seatrial.analysis.looks import known_between, per_s_apart
from seatrial.analysis.memory import HELD, Measure, measure_of
from seatrial.analysis.scheduling import SchedulingUse, scheduling_use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from seatrial.analysis.load.window import Window
    from seatrial.generator.frames import Frame
    from seatrial.observe.samples import ProcessSample
    from seatrial.record.tables.rows import RecordedPhase

# Below this many connections the memory of one is lost in the noise of allocators and page caches.
CONNECTIONS_FOR_MEMORY = 100
# Above this many it is not; in between only where they took more than a process takes anyhow, now and then.
CONNECTIONS_ENOUGH, GROWTH_FOR_MEMORY_BYTES = 500, 512 * 1024
# The kernel counts CPU in ticks of 10 ms. Over this much time one tick is 4 % of a core; over the 5 ms between a
# regular look and one that an event asked for it would be two whole cores.
CPU_SPAN_MIN_S = 0.25


@dataclass(frozen=True, slots=True)
class RoleResources:
    """One role: CPU is of the measure phase, peaks are of the whole trial.

    ``cpu_covers_s`` is how much of the measure phase lies between the two looks that ``cpu_cores_mean`` is from.
    """

    role: str
    processes: int
    cpu_cores_mean: float | None
    cpu_cores_max: float | None
    rss_bytes_max: int | None
    pss_bytes_max: int | None
    fds_max: int | None
    throttled_s: float | None
    cpu_covers_s: float | None = None
    scheduling: SchedulingUse | None = None
    working_set_bytes_max: int | None = None

    @property
    def memory_bytes_max(self) -> int:
        """PSS where known, of pods their working set, RSS elsewhere (which counts shared pages once a process)."""
        known = (self.pss_bytes_max, self.working_set_bytes_max, self.rss_bytes_max)
        return next((size for size in known if size is not None), 0)

    @property
    def memory_measure(self) -> Measure:
        """What ``memory_bytes_max`` is."""
        if self.pss_bytes_max is not None:
            return "PSS"
        return "RSS" if self.working_set_bytes_max is None else "working set"


@dataclass(frozen=True, slots=True)
class TrialResources:
    """Every role of a trial, and what the system's use means for sizing; None is "cannot be known".

    ``members`` are those of a system that has several.
    """

    roles: tuple[RoleResources, ...]
    system_cpu_cores_per_1000_per_s: float | None = None
    system_memory_bytes_per_connection: float | None = None
    members: Mapping[str, RoleResources] = field(default_factory=dict)

    def role(self, name: str) -> RoleResources | None:
        """Return one role, or None where it had no process."""
        return next((role for role in self.roles if role.role == name), None)


@dataclass(frozen=True, slots=True)
class CpuSpan:
    """Cores in use between two looks; ``cores`` x its length is the CPU time that the kernel counted in it."""

    start_s: float
    end_s: float
    cores: float


@dataclass(frozen=True, slots=True)
class RoleCurve:
    """One role over time (CLOCK_MONOTONIC seconds): memory at each look, and CPU between looks far enough apart."""

    role: str
    at_s: tuple[float, ...]
    memory_bytes: tuple[float, ...]
    cpu: tuple[CpuSpan, ...]
    memory_measure: Measure = "PSS"


def trial_resources(
    roles: Sequence[Role],
    frames: Sequence[Frame],
    phases: Sequence[RecordedPhase],
    window: Window | None,
    achieved_per_s: float | None,
) -> TrialResources:
    """Return what each role of a trial used."""
    used = tuple(_used(role, window) for role in roles)
    system = next((role for role in used if role.role == "system"), None)
    per_1000 = None
    if system is not None and system.cpu_cores_mean is not None and achieved_per_s:
        per_1000 = system.cpu_cores_mean / achieved_per_s * 1_000
    own = next((role for role in roles if role.name == "system"), None)
    members = {} if own is None else {member.name: _used(member, window) for member in own.members}
    return TrialResources(used, per_1000, _memory_per_connection(own, frames, phases), members)


def roles_of(samples: Iterable[ProcessSample]) -> tuple[Role, ...]:
    """Return the roles that were looked at, by name."""
    found: dict[str, list[ProcessSample]] = {}
    for sample in samples:
        found.setdefault(sample.role, []).append(sample)
    return tuple(Role(name, own) for name, own in sorted(found.items()))


class Role:
    """The looks at one role: its processes, and what they used together. Each is worked out once, when it is asked."""

    def __init__(self, name: str, samples: Sequence[ProcessSample]) -> None:
        self.name = name
        self.samples = samples

    @cached_property
    def processes(self) -> tuple[Sequence[ProcessSample], ...]:
        """The looks at each process, by time."""
        found: dict[object, list[ProcessSample]] = {}
        for sample in sorted(self.samples, key=attrgetter("at_s")):
            found.setdefault(sample.key, []).append(sample)
        return tuple(found.values())

    @property
    def members(self) -> tuple[Role, ...]:
        """Each of its members by itself, where there are several."""
        found: dict[str, list[ProcessSample]] = {}
        for sample in self.samples:
            found.setdefault(sample.member, []).append(sample)
        return tuple(Role(name, own) for name, own in sorted(found.items())) if len(found) > 1 else ()

    @cached_property
    def measure(self) -> Measure:
        """What the memory of all of them together is: the sum of two measures would be neither."""
        return measure_of(self.processes)

    @cached_property
    def at_s(self) -> list[float]:
        """The times at which any of its processes was looked at: a restarted one has looks before and after.

        Each pod is looked at at moments of its own. Of those, it is the ones between which all are known.
        """
        at_s = sorted({sample.at_s for sample in self.samples})
        return known_between(at_s, self.processes) if self.measure == "working set" else at_s

    @cached_property
    def cpu_s(self) -> list[float]:
        """The CPU time that all processes had used, at each look; one that is gone keeps what it used."""
        import numpy as np

        total = np.zeros(len(self.at_s))
        for own in self.processes:
            used = [sample.cpu_user_s + sample.cpu_system_s for sample in own]
            total += np.interp(self.at_s, [sample.at_s for sample in own], used)
        return total.tolist()

    @cached_property
    def curve(self) -> RoleCurve:
        """Its use over time."""
        memory = self.total(HELD[self.measure])
        spans = tuple(self.span(first, last) for first, last in pairwise(_spaced(self.at_s)))
        return RoleCurve(self.name, tuple(self.at_s), tuple(memory), spans, self.measure)

    def total(self, held: Callable[[Sequence[ProcessSample]], Sequence[float]]) -> list[float]:
        """Return what all processes had of something at each look; a process that is gone has nothing."""
        import numpy as np

        total = np.zeros(len(self.at_s))
        for own in self.processes:
            total += np.interp(self.at_s, [sample.at_s for sample in own], held(own), left=0, right=0)
        return total.tolist()

    def span(self, first: int, last: int) -> CpuSpan:
        """Return the CPU use between two looks."""
        start_s, end_s = self.at_s[first], self.at_s[last]
        return CpuSpan(start_s, end_s, (self.cpu_s[last] - self.cpu_s[first]) / (end_s - start_s))


def _used(role: Role, window: Window | None) -> RoleResources:
    curve = role.curve
    cpu = _cpu_in(role, window)
    highest = max(
        (span.cores for span in curve.cpu if window is not None and _within(span, window)), default=None
    )
    return RoleResources(
        role=role.name,
        processes=len(role.processes),
        cpu_cores_mean=None if cpu is None else cpu.cores,
        cpu_cores_max=highest,
        rss_bytes_max=None if role.measure == "working set" else int(max(role.total(HELD["RSS"]))),
        pss_bytes_max=int(max(curve.memory_bytes)) if role.measure == "PSS" else None,
        fds_max=_fds_max(role),
        throttled_s=_throttled_s(role),
        cpu_covers_s=None if cpu is None else round(cpu.end_s - cpu.start_s, 3),
        scheduling=scheduling_use(role.processes, window),
        working_set_bytes_max=int(max(curve.memory_bytes)) if role.measure == "working set" else None,
    )


def _spaced(at_s: Sequence[float]) -> list[int]:
    # Which looks to take CPU from: far enough apart, the first and the last always among them. The counters are
    # cumulative, so what was used between the others is in the spans all the same.
    kept = [0]
    for index in range(1, len(at_s)):
        if at_s[index] - at_s[kept[-1]] >= CPU_SPAN_MIN_S:
            kept.append(index)
    last = len(at_s) - 1
    if len(kept) > 1 and kept[-1] != last:
        kept[-1] = last
    return kept


def _fds(own: Sequence[ProcessSample]) -> list[float]:
    return [float(sample.fds) for sample in own if sample.fds is not None]


def _fds_max(role: Role) -> int | None:
    known = [sample for sample in role.samples if sample.fds is not None]
    if not known:
        return None
    of_known = role if len(known) == len(role.samples) else Role(role.name, known)
    return int(max(of_known.total(_fds)))


def _cpu_in(role: Role, window: Window | None) -> CpuSpan | None:
    """Return the use over the measure phase: between the looks at its ends or, without, the outermost within."""
    if window is None:
        return None
    if role.measure == "working set":
        found = per_s_apart(role.processes, window)
        return None if found is None else CpuSpan(*found)
    start_s, end_s = window.start_ns / NANOSECONDS, window.end_ns / NANOSECONDS
    at_s = role.at_s
    inside = [index for index, look_s in enumerate(at_s) if start_s - EDGE_S <= look_s <= end_s + EDGE_S]
    if not inside:
        return None
    first = min(inside, key=lambda index: abs(at_s[index] - start_s))
    last = min(inside, key=lambda index: abs(at_s[index] - end_s))
    return role.span(first, last) if at_s[last] - at_s[first] >= CPU_SPAN_MIN_S else None


def _within(span: CpuSpan, window: Window) -> bool:
    return (
        span.start_s >= window.start_ns / NANOSECONDS - EDGE_S
        and span.end_s <= window.end_ns / NANOSECONDS + EDGE_S
    )


def _memory_per_connection(
    system: Role | None, frames: Sequence[Frame], phases: Sequence[RecordedPhase]
) -> float | None:
    ramp = next((phase for phase in phases if phase.name == "ramp"), None)
    if ramp is None or ramp.end_s is None or system is None:
        return None
    # Growth is read from RSS: the PSS of a process that stays as it is moves when another program that maps the same
    # files comes or goes, by more than all of its connections take. Of pods, the kernel's part is in it.
    measure: Measure = "working set" if system.measure == "working set" else "RSS"
    looks = list(zip(system.at_s, system.total(HELD[measure]), strict=True))
    before = [memory for at_s, memory in looks if at_s <= ramp.start_s]
    held = [(at_s, memory) for at_s, memory in looks if ramp.start_s < at_s <= ramp.end_s]
    if not before or not held:
        return None
    at_s, memory = held[-1]
    connections, grown = _connections_at(frames, at_s), memory - before[-1]
    # Memory that shrank while connections were opened is not that of connections, nor need be what a few pages hold.
    is_much = connections >= CONNECTIONS_FOR_MEMORY and grown >= GROWTH_FOR_MEMORY_BYTES
    return grown / connections if is_much or (connections >= CONNECTIONS_ENOUGH and grown >= 0) else None


def _connections_at(frames: Sequence[Frame], at_s: float) -> float:
    # Gauges are of the end of their interval; between two of them connections are opened at an even rate.
    import numpy as np

    total = 0.0
    for own in by_worker(frames).values():
        times = [own[0].start_ns / NANOSECONDS, *(frame.end_ns / NANOSECONDS for frame in own)]
        total += float(np.interp(at_s, times, [0, *(frame.held + frame.active for frame in own)]))
    return total


def _throttled_s(role: Role) -> float | None:
    found = [
        (own[-1].throttled_s or 0.0) - (own[0].throttled_s or 0.0)
        for own in role.processes
        if own[-1].throttled_s is not None
    ]
    return max(found, default=None)
