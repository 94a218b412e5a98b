"""What each role used, from samples of its processes: CPU over the measure phase, peaks over the trial.

CPU is a cumulative counter, so means are exact differences between two looks; curves of several processes are added
on one grid of times by linear interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from seatrial.analysis.load.window import NANOSECONDS, by_worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

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
# A look this near to an end of the measure phase is a look at that end.
EDGE_S = 0.1

Measure = Literal["PSS", "RSS"]


@dataclass(frozen=True, slots=True)
class RoleResources:
    """One role: CPU is of the measure phase, peaks are of the whole trial.

    ``cpu_covers_s`` is how much of the measure phase lies between the two looks that ``cpu_cores_mean`` is from.
    """

    role: str
    processes: int
    cpu_cores_mean: float | None
    cpu_cores_max: float | None
    rss_bytes_max: int
    pss_bytes_max: int | None
    fds_max: int | None
    throttled_s: float | None
    cpu_covers_s: float | None = None

    @property
    def memory_bytes_max(self) -> int:
        """PSS where known, RSS elsewhere (which counts shared pages once for each process)."""
        return self.pss_bytes_max if self.pss_bytes_max is not None else self.rss_bytes_max

    @property
    def memory_measure(self) -> Measure:
        """What ``memory_bytes_max`` is."""
        return "PSS" if self.pss_bytes_max is not None else "RSS"


@dataclass(frozen=True, slots=True)
class TrialResources:
    """Every role of a trial, and what the system's use means for sizing; None is "cannot be known"."""

    roles: tuple[RoleResources, ...]
    system_cpu_cores_per_1000_per_s: float | None = None
    system_memory_bytes_per_connection: float | None = None

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
    samples: Sequence[ProcessSample],
    frames: Sequence[Frame],
    phases: Sequence[RecordedPhase],
    window: Window | None,
    achieved_per_s: float | None,
) -> TrialResources:
    """Return what each role of a trial used."""
    roles = tuple(_role(role, own, window) for role, own in _by_role(samples).items())
    system = next((role for role in roles if role.role == "system"), None)
    per_1000 = None
    if system is not None and system.cpu_cores_mean is not None and achieved_per_s:
        per_1000 = system.cpu_cores_mean / achieved_per_s * 1_000
    own = [sample for sample in samples if sample.role == "system"]
    return TrialResources(roles, per_1000, _memory_per_connection(own, frames, phases))


def role_curves(samples: Sequence[ProcessSample]) -> tuple[RoleCurve, ...]:
    """Return each role's use over time, its processes added up."""
    return tuple(_curve(role, own) for role, own in _by_role(samples).items())


def _role(role: str, samples: Sequence[ProcessSample], window: Window | None) -> RoleResources:
    curve = _curve(role, samples)
    cpu = _cpu_in(samples, window)
    highest = max(
        (span.cores for span in curve.cpu if window is not None and _within(span, window)), default=None
    )
    return RoleResources(
        role=role,
        processes=len({sample.pid for sample in samples}),
        cpu_cores_mean=None if cpu is None else cpu.cores,
        cpu_cores_max=highest,
        rss_bytes_max=_peak(samples, "rss_bytes") or 0,
        pss_bytes_max=int(max(curve.memory_bytes)) if curve.memory_measure == "PSS" else None,
        fds_max=_peak([sample for sample in samples if sample.fds is not None], "fds"),
        throttled_s=_throttled_s(samples),
        cpu_covers_s=None if cpu is None else round(cpu.end_s - cpu.start_s, 3),
    )


def _curve(role: str, samples: Sequence[ProcessSample]) -> RoleCurve:
    import numpy as np

    grid, cpu_s = _cpu_s(samples)
    processes = _by_process(samples).values()
    # One measure for the whole role: the sum of a PSS and an RSS is neither.
    measure: Measure = "PSS" if all(_has_pss(own) for own in processes) else "RSS"
    memory = np.zeros(len(grid))
    for own in processes:
        held = _pss(own) if measure == "PSS" else [float(sample.rss_bytes) for sample in own]
        # A process that is gone holds no memory.
        memory += np.interp(grid, [sample.at_s for sample in own], held, left=0, right=0)
    spans = tuple(_span(grid, cpu_s, first, last) for first, last in pairwise(_spaced(grid)))
    return RoleCurve(role, tuple(grid.tolist()), tuple(memory.tolist()), spans, measure)


def _cpu_s(samples: Sequence[ProcessSample]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # The CPU time that all processes had used, at each look; one that is gone keeps what it used.
    import numpy as np

    grid = _grid(samples)
    total = np.zeros(len(grid))
    for own in _by_process(samples).values():
        used = [sample.cpu_user_s + sample.cpu_system_s for sample in own]
        total += np.interp(grid, [sample.at_s for sample in own], used)
    return grid, total


def _spaced(grid: NDArray[np.float64]) -> list[int]:
    # Which looks to take CPU from: far enough apart, the first and the last always among them. The counters are
    # cumulative, so what was used between the others is in the spans all the same.
    kept = [0]
    for index in range(1, len(grid)):
        if grid[index] - grid[kept[-1]] >= CPU_SPAN_MIN_S:
            kept.append(index)
    last = len(grid) - 1
    if len(kept) > 1 and kept[-1] != last:
        kept[-1] = last
    return kept


def _span(grid: NDArray[np.float64], cpu_s: NDArray[np.float64], first: int, last: int) -> CpuSpan:
    length_s = float(grid[last] - grid[first])
    return CpuSpan(float(grid[first]), float(grid[last]), float(cpu_s[last] - cpu_s[first]) / length_s)


def _has_pss(own: Sequence[ProcessSample]) -> bool:
    return any(sample.pss_bytes is not None for sample in own)


def _pss(own: Sequence[ProcessSample]) -> list[float]:
    # The PSS of a large process is not taken at every look. What it shares with others, RSS less PSS, hardly moves, and
    # is interpolated between the looks that took it; RSS is known at every look.
    import numpy as np

    known = [sample for sample in own if sample.pss_bytes is not None]
    shared = np.interp(
        [sample.at_s for sample in own],
        [sample.at_s for sample in known],
        [sample.rss_bytes - (sample.pss_bytes or 0) for sample in known],
    )
    return [
        float(sample.pss_bytes) if sample.pss_bytes is not None else sample.rss_bytes - float(between)
        for sample, between in zip(own, shared, strict=True)
    ]


def _grid(samples: Sequence[ProcessSample]) -> NDArray[np.float64]:
    # The times at which the process with the most looks was looked at.
    import numpy as np

    longest = max(_by_process(samples).values(), key=len)
    return np.unique(np.array([sample.at_s for sample in longest], dtype=np.float64))


def _cpu_in(samples: Sequence[ProcessSample], window: Window | None) -> CpuSpan | None:
    """Return the use over the measure phase: between the looks at its ends or, without, the outermost within."""
    if window is None:
        return None
    start_s, end_s = window.start_ns / NANOSECONDS, window.end_ns / NANOSECONDS
    grid, cpu_s = _cpu_s(samples)
    inside = [index for index, at_s in enumerate(grid) if start_s - EDGE_S <= at_s <= end_s + EDGE_S]
    if not inside:
        return None
    first = min(inside, key=lambda index: abs(grid[index] - start_s))
    last = min(inside, key=lambda index: abs(grid[index] - end_s))
    return _span(grid, cpu_s, first, last) if grid[last] - grid[first] >= CPU_SPAN_MIN_S else None


def _within(span: CpuSpan, window: Window) -> bool:
    return (
        span.start_s >= window.start_ns / NANOSECONDS - EDGE_S
        and span.end_s <= window.end_ns / NANOSECONDS + EDGE_S
    )


def _memory_per_connection(
    samples: Sequence[ProcessSample], frames: Sequence[Frame], phases: Sequence[RecordedPhase]
) -> float | None:
    ramp = next((phase for phase in phases if phase.name == "ramp"), None)
    if ramp is None or ramp.end_s is None or not samples:
        return None
    # Growth is read from RSS: the PSS of a process that stays as it is moves when another program that maps the same
    # files comes or goes, by more than all of its connections take.
    grid, total = _total(samples, "rss_bytes")
    looks = list(zip(grid.tolist(), total.tolist(), strict=True))
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


def _by_role(samples: Iterable[ProcessSample]) -> dict[str, list[ProcessSample]]:
    found: dict[str, list[ProcessSample]] = {}
    for sample in samples:
        found.setdefault(sample.role, []).append(sample)
    return dict(sorted(found.items()))


def _by_process(samples: Iterable[ProcessSample]) -> dict[int, list[ProcessSample]]:
    found: dict[int, list[ProcessSample]] = {}
    for sample in sorted(samples, key=lambda sample: sample.at_s):
        found.setdefault(sample.pid, []).append(sample)
    return found


def _peak(samples: Sequence[ProcessSample], name: str) -> int | None:
    return int(_total(samples, name)[1].max()) if samples else None


def _total(samples: Sequence[ProcessSample], name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the looks, and what all processes of a role had of something at each."""
    import numpy as np

    grid = _grid(samples)
    total = np.zeros(len(grid))
    for own in _by_process(samples).values():
        held = [float(getattr(sample, name)) for sample in own]
        total += np.interp(grid, [sample.at_s for sample in own], held, left=0, right=0)
    return grid, total


def _throttled_s(samples: Sequence[ProcessSample]) -> float | None:
    found = [
        (own[-1].throttled_s or 0.0) - (own[0].throttled_s or 0.0)
        for own in _by_process(samples).values()
        if own[-1].throttled_s is not None
    ]
    return max(found, default=None)
