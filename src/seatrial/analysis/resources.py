"""What each role used, from samples of its processes: CPU over the measure phase, peaks over the trial.

CPU is a cumulative counter, so means are exact differences; curves of several processes are added on one grid
of times by linear interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.analysis.window import NANOSECONDS, by_worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from seatrial.analysis.window import Window
    from seatrial.generator.frames import Frame
    from seatrial.observe.samples import ProcessSample
    from seatrial.record.rows import RecordedPhase

# Below this many connections the memory of one is lost in the noise of allocators and page caches.
CONNECTIONS_FOR_MEMORY = 100


@dataclass(frozen=True, slots=True)
class RoleResources:
    """One role: CPU is of the measure phase, peaks are of the whole trial."""

    role: str
    processes: int
    cpu_cores_mean: float | None
    cpu_cores_max: float | None
    rss_bytes_max: int
    pss_bytes_max: int | None
    fds_max: int | None
    throttled_s: float | None

    @property
    def memory_bytes_max(self) -> int:
        """PSS where known, RSS elsewhere (which counts shared pages once for each process)."""
        return self.pss_bytes_max if self.pss_bytes_max is not None else self.rss_bytes_max


@dataclass(frozen=True, slots=True)
class TrialResources:
    """Every role of a trial, and what the system's use means for sizing; None is "cannot be told"."""

    roles: tuple[RoleResources, ...]
    system_cpu_cores_per_1000_per_s: float | None = None
    system_memory_bytes_per_connection: float | None = None

    def role(self, name: str) -> RoleResources | None:
        """Return one role, or None where it had no process."""
        return next((role for role in self.roles if role.role == name), None)


@dataclass(frozen=True, slots=True)
class RoleCurve:
    """One role over time (CLOCK_MONOTONIC seconds): cores in use since the time before, and memory."""

    role: str
    at_s: tuple[float, ...]
    cpu_cores: tuple[float, ...]
    memory_bytes: tuple[float, ...]


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
    mean, highest = _cpu_in(curve, window)
    known_pss = samples if all(sample.pss_bytes is not None for sample in samples) else []
    return RoleResources(
        role=role,
        processes=len({sample.pid for sample in samples}),
        cpu_cores_mean=mean,
        cpu_cores_max=highest,
        rss_bytes_max=_peak(samples, "rss_bytes") or 0,
        pss_bytes_max=_peak(known_pss, "pss_bytes"),
        fds_max=_peak([sample for sample in samples if sample.fds is not None], "fds"),
        throttled_s=_throttled_s(samples),
    )


def _curve(role: str, samples: Sequence[ProcessSample]) -> RoleCurve:
    import numpy as np

    grid = _grid(samples)
    # One measure for the whole curve: PSS of a large process is not taken at every look, and a curve that changes
    # between PSS and RSS would show steps that never happened.
    memory_field = "pss_bytes" if all(sample.pss_bytes is not None for sample in samples) else "rss_bytes"
    cpu_s, memory = np.zeros(len(grid)), np.zeros(len(grid))
    for own in _by_process(samples).values():
        times = [sample.at_s for sample in own]
        # A process that is gone keeps the CPU time it used, not its memory.
        cpu_s += np.interp(grid, times, [sample.cpu_user_s + sample.cpu_system_s for sample in own])
        memory += np.interp(grid, times, [getattr(sample, memory_field) for sample in own], left=0, right=0)
    cores = np.diff(cpu_s) / np.diff(grid) if len(grid) > 1 else np.zeros(0)
    return RoleCurve(role, tuple(grid.tolist()), (0.0, *cores.tolist())[: len(grid)], tuple(memory.tolist()))


def _grid(samples: Sequence[ProcessSample]) -> NDArray[np.float64]:
    # The times at which the process with the most looks was looked at.
    import numpy as np

    longest = max(_by_process(samples).values(), key=len)
    return np.unique(np.array([sample.at_s for sample in longest], dtype=np.float64))


def _cpu_in(curve: RoleCurve, window: Window | None) -> tuple[float | None, float | None]:
    if window is None or len(curve.at_s) < 2:
        return None, None
    start_s, end_s = window.start_ns / NANOSECONDS, window.end_ns / NANOSECONDS
    spans = [
        (curve.at_s[index] - curve.at_s[index - 1], curve.cpu_cores[index])
        for index in range(1, len(curve.at_s))
        if start_s <= curve.at_s[index - 1] and curve.at_s[index] <= end_s
    ]
    if not spans:
        return None, None
    length_s = sum(span_s for span_s, _ in spans)
    return sum(span_s * cores for span_s, cores in spans) / length_s, max(cores for _, cores in spans)


def _memory_per_connection(
    samples: Sequence[ProcessSample], frames: Sequence[Frame], phases: Sequence[RecordedPhase]
) -> float | None:
    ramp = next((phase for phase in phases if phase.name == "ramp"), None)
    if ramp is None or ramp.end_s is None or not samples:
        return None
    curve = _curve("system", samples)
    looks = list(zip(curve.at_s, curve.memory_bytes, strict=True))
    before = [memory for at_s, memory in looks if at_s <= ramp.start_s]
    held = [(at_s, memory) for at_s, memory in looks if ramp.start_s < at_s <= ramp.end_s]
    if not before or not held:
        return None
    at_s, memory = held[-1]
    connections = _connections_at(frames, at_s)
    return (memory - before[-1]) / connections if connections >= CONNECTIONS_FOR_MEMORY else None


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
    import numpy as np

    if not samples:
        return None
    grid = _grid(samples)
    total = np.zeros(len(grid))
    for own in _by_process(samples).values():
        total += np.interp(
            grid, [sample.at_s for sample in own], [getattr(sample, name) for sample in own], left=0, right=0
        )
    return int(total.max())


def _throttled_s(samples: Sequence[ProcessSample]) -> float | None:
    found = [
        (own[-1].throttled_s or 0.0) - (own[0].throttled_s or 0.0)
        for own in _by_process(samples).values()
        if own[-1].throttled_s is not None
    ]
    return max(found, default=None)
