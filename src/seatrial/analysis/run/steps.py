"""The common steps of a trial's workers, each with the counts that fall into it.

Workers begin their intervals at slightly different moments, and cut them short where a phase ends. The steps are those
of one worker; what another worker counted in an interval that lies across two of them is shared out by time. So the
counts of all steps add up to the counts of all frames.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from seatrial.analysis.load.window import EDGE_NS, NANOSECONDS, by_worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seatrial.generator.frames import Frame
    from seatrial.record.tables.rows import RecordedPhase

# More points than this run together on a screen and make the page slow.
POINTS_LIMIT = 2_000
# A step shorter than this part of the usual one is put together with its neighbour of the same phase: the rate over a
# few milliseconds is that of single requests.
SHORT_STEP = 0.5
# With less of a worker's time known than this, the rate of a step would be that of the other workers.
KNOWN_SHARE_MIN = 0.5


@dataclass(slots=True)
class Step:
    """One step: ``frames`` have their middle in it, ``sent`` and ``completed`` are shared out by time.

    ``whole`` is False where a worker's frames are missing.
    """

    start_ns: int
    end_ns: int
    phase: str
    frames: list[Frame] = field(default_factory=list)
    sent: float = 0.0
    completed: float = 0.0
    whole: bool = True

    @property
    def length_ns(self) -> int:
        """Its length, at least 1."""
        return max(1, self.end_ns - self.start_ns)

    def per_s(self, count: float) -> float | None:
        """Return a count of the step as a rate; None where frames are missing."""
        return count * NANOSECONDS / self.length_ns if self.whole else None


def steps_of(
    frames: Sequence[Frame], phases: Sequence[RecordedPhase], limit: int | None = POINTS_LIMIT
) -> tuple[Step, ...]:
    """Return the steps in order, about ``limit`` of them at most; between them there are gaps where nothing is known.

    With None each is as short as the workers' intervals.
    """
    if not frames:
        return ()
    steps = _joined(
        [Step(*span, _phase_at(phases, span)) for span in _spans(frames)], _least_ns(frames, limit)
    )
    starts = [step.start_ns for step in steps]
    for own in by_worker(frames).values():
        known_ns = [0] * len(steps)
        for frame in own:
            _share_out(frame, steps, starts, known_ns)
        for step, known in zip(steps, known_ns, strict=True):
            lives = own[0].start_ns <= (step.start_ns + step.end_ns) // 2 <= own[-1].end_ns
            if lives and known < KNOWN_SHARE_MIN * step.length_ns:
                step.whole = False
    return tuple(steps)


def _share_out(frame: Frame, steps: Sequence[Step], starts: Sequence[int], known_ns: list[int]) -> None:
    sent, completed = (sum(getattr(part, name) for part in frame.parts) for name in ("sent", "completed"))
    length_ns = max(1, frame.end_ns - frame.start_ns)
    middle = _at((frame.start_ns + frame.end_ns) // 2, steps, starts)
    steps[middle].frames.append(frame)
    overlaps = {}
    for index in range(_at(frame.start_ns, steps, starts), len(steps)):
        step = steps[index]
        if step.start_ns >= frame.end_ns:
            break
        overlaps[index] = max(0, min(step.end_ns, frame.end_ns) - max(step.start_ns, frame.start_ns))
    # What lies in no step, beyond the first and the last, belongs to where the middle is.
    overlaps[middle] = overlaps.get(middle, 0) + length_ns - sum(overlaps.values())
    for index, overlap_ns in overlaps.items():
        steps[index].sent += sent * overlap_ns / length_ns
        steps[index].completed += completed * overlap_ns / length_ns
        known_ns[index] += overlap_ns


def _at(moment_ns: int, steps: Sequence[Step], starts: Sequence[int]) -> int:
    return min(max(0, bisect_right(starts, moment_ns) - 1), len(steps) - 1)


def _spans(frames: Sequence[Frame]) -> list[tuple[int, int]]:
    """Return the intervals of the worker with the most frames, then of others where that one has none."""
    spans: list[tuple[int, int]] = []
    left = list(frames)
    while left:
        longest = max(by_worker(left).values(), key=len)
        spans += _with_gaps([(frame.start_ns, frame.end_ns) for frame in longest])
        first_ns, last_ns = longest[0].start_ns, longest[-1].end_ns
        left = [frame for frame in left if not first_ns <= (frame.start_ns + frame.end_ns) // 2 < last_ns]
    return _apart(sorted(spans))


def _with_gaps(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    # Where a frame is missing there is a step all the same: other workers may have counted in it.
    found: list[tuple[int, int]] = []
    for start_ns, end_ns in spans:
        if found and start_ns - found[-1][1] > EDGE_NS:
            found.append((found[-1][1], start_ns))
        found.append((found[-1][1] if found else start_ns, end_ns))
    return [(start_ns, end_ns) for start_ns, end_ns in found if end_ns > start_ns]


def _apart(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start_ns, end_ns in spans:
        begin_ns = max(start_ns, found[-1][1]) if found else start_ns
        if end_ns > begin_ns:
            found.append((begin_ns, end_ns))
    return found


def _least_ns(frames: Sequence[Frame], limit: int | None) -> float:
    usual = median(frame.end_ns - frame.start_ns for frame in frames)
    whole = max(frame.end_ns for frame in frames) - min(frame.start_ns for frame in frames)
    return max(usual * SHORT_STEP, 0 if limit is None else whole / limit)


def _joined(steps: Iterable[Step], least_ns: float) -> list[Step]:
    found: list[Step] = []
    for step in steps:
        before = found[-1] if found else None
        touches = (
            before is not None and before.phase == step.phase and step.start_ns - before.end_ns <= EDGE_NS
        )
        if before is not None and touches and min(before.length_ns, step.length_ns) < least_ns:
            before.end_ns = step.end_ns
        else:
            found.append(step)
    return found


def _phase_at(phases: Sequence[RecordedPhase], span: tuple[int, int]) -> str:
    at_s = sum(span) / 2 / NANOSECONDS
    return next((phase.name for phase in reversed(phases) if phase.start_s <= at_s), "set up")
