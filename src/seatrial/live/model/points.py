"""The load of now: frames of every worker put together, interval by interval, as they come.

A point is closed once every worker has reported to its end, or one is far ahead. A frame that comes later still counts
in the point that is open then: nothing is lost, and the counts of all points add up to those of all frames.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial.analysis.load.histograms import merge
from seatrial.workload.profile import asked_per_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial._engine import Histogram
    from seatrial.generator.account import Asked
    from seatrial.generator.frames import Frame
    from seatrial.record.events import PhaseStarted

NANOSECONDS = 1_000_000_000
SHORT = 0.2
"""Of a shorter part of an interval, such as the moment in which a load's last answers come, there is no rate."""
AHEAD_LIMIT = 2
"""A worker that is so many intervals behind another is not waited for."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles of one interval's requests, from the intended send time, microseconds."""

    count: int
    p50: int
    p90: int
    p99: int
    p999: int
    max: int


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """One interval of all workers. Times are CLOCK_MONOTONIC seconds.

    ``sent_per_s`` and ``completed_per_s`` are sums of each worker's count over the time that it reports of, None where
    that is too short for a rate; ``workers`` is how many report. ``asked_per_s`` is None where no rate is asked for: in
    closed loop, and but for the warm-up and the measure phase. ``errors`` are counts by kind, of requests and
    connections. Gauges are of the end.
    """

    trial: int
    phase: str
    start_s: float
    end_s: float
    workers: int
    asked_per_s: float | None
    sent_per_s: float | None
    completed_per_s: float | None
    sent: int
    completed: int
    failed: int
    timed_out: int
    unsent: int
    errors: Mapping[str, int]
    held: int
    active: int
    in_flight: int
    latency_us: Latency | None
    lateness_us_p99: int | None
    stall_us_max: int


@dataclass(slots=True)
class LoadPoints:
    """Makes points of one trial's frames; ``workers`` is how many are to report."""

    trial: int
    asked: Asked | None = None
    workers: int = 0
    phases: list[PhaseStarted] = field(default_factory=list)
    _zero_ns: int | None = None
    _open: dict[int, list[Frame]] = field(default_factory=dict)
    _last: dict[int, int] = field(default_factory=dict)
    _closed: int = -1

    def take(self, frame: Frame) -> Iterator[LoadPoint]:
        """Take one frame; yield the points that it closes."""
        if self._zero_ns is None:
            self._zero_ns = frame.start_ns
        at = max(self._index(frame), self._closed + 1)
        self._open.setdefault(at, []).append(frame)
        # The middle of its next one lies half an interval after the end of this one.
        done = self._number(frame.end_ns + self._interval_ns // 2)
        self._last[frame.worker] = max(done, self._last.get(frame.worker, 0))
        slowest = min(self._last.values()) if len(self._last) >= self.workers else 0
        yield from self._close(max(slowest, max(self._last.values()) - AHEAD_LIMIT))

    def finish(self) -> Iterator[LoadPoint]:
        """Yield what is still open: the load is over."""
        yield from self._close(max(self._open, default=-1) + 1)

    def _index(self, frame: Frame) -> int:
        """Return the number of the interval in which the frame's middle lies."""
        return self._number((frame.start_ns + frame.end_ns) // 2)

    def _number(self, at_ns: int) -> int:
        return (at_ns - (self._zero_ns or 0)) // self._interval_ns

    @property
    def _interval_ns(self) -> int:
        return max(1, round((self.asked.interval_s if self.asked else 1.0) * NANOSECONDS))

    def _close(self, before: int) -> Iterator[LoadPoint]:
        for at in sorted(at for at in self._open if at < before):
            self._closed = max(self._closed, at)
            yield self._point(self._open.pop(at))

    def _point(self, frames: list[Frame]) -> LoadPoint:
        start_s = min(frame.start_ns for frame in frames) / NANOSECONDS
        end_s = max(frame.end_ns for frame in frames) / NANOSECONDS
        phase = self._phase_at((start_s + end_s) / 2)
        parts = [part for frame in frames for part in frame.parts]
        last = {frame.worker: frame for frame in sorted(frames, key=lambda frame: frame.end_ns)}
        errors: Counter[str] = Counter()
        for frame in frames:
            errors.update(frame.errors)
        latency = merge(part.latency for part in parts)
        lateness = merge(part.lateness for part in parts)
        return LoadPoint(
            trial=self.trial,
            phase=phase,
            start_s=start_s,
            end_s=end_s,
            workers=len(last),
            asked_per_s=self._asked_per_s(phase, start_s, end_s),
            sent_per_s=self._per_s(frames, "sent"),
            completed_per_s=self._per_s(frames, "completed"),
            sent=sum(part.sent for part in parts),
            completed=sum(part.completed for part in parts),
            failed=sum(part.failed for part in parts),
            timed_out=sum(part.timed_out for part in parts),
            unsent=sum(part.unsent for part in parts),
            errors=dict(errors),
            held=sum(frame.held for frame in last.values()),
            active=sum(frame.active for frame in last.values()),
            in_flight=sum(frame.in_flight for frame in last.values()),
            latency_us=_latency(latency),
            lateness_us_p99=lateness.quantile_us(0.99) if lateness.count else None,
            stall_us_max=max(frame.stall_ns_max for frame in frames) // 1_000,
        )

    def _per_s(self, frames: list[Frame], name: str) -> float | None:
        length_ns = max(frame.end_ns for frame in frames) - min(frame.start_ns for frame in frames)
        return None if length_ns < SHORT * self._interval_ns else _per_s(frames, name)

    def _phase_at(self, at_s: float) -> str:
        return next((phase.phase for phase in reversed(self.phases) if phase.at_s <= at_s), "set up")

    def _asked_per_s(self, phase: str, start_s: float, end_s: float) -> float | None:
        profile = self.asked.profile if self.asked else ()
        measure_s = next((one.at_s for one in self.phases if one.phase == "measure"), start_s)
        return asked_per_s(profile, phase, start_s - measure_s, end_s - measure_s)


def _latency(samples: Histogram) -> Latency | None:
    if not samples.count:
        return None
    p50, p90, p99, p999 = (samples.quantile_us(at) for at in (0.5, 0.9, 0.99, 0.999))
    return Latency(samples.count, p50, p90, p99, p999, samples.max_us)


def _per_s(frames: list[Frame], name: str) -> float:
    """Add up each worker's count over the length of its own frames: in the ramp they do not begin together."""
    counts: Counter[int] = Counter()
    lengths_ns: Counter[int] = Counter()
    for frame in frames:
        counts[frame.worker] += sum(getattr(part, name) for part in frame.parts)
        lengths_ns[frame.worker] += frame.end_ns - frame.start_ns
    return sum(count * NANOSECONDS / max(1, lengths_ns[worker]) for worker, count in counts.items())
