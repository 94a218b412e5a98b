"""The measure window, and what the frames of each worker say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seatrial.generator.account import LoadAccount
    from seatrial.generator.frames import Frame

NANOSECONDS = 1_000_000_000
# A frame that ends at a boundary may end a little after it: the worker was busy sending.
EDGE_NS = 20_000_000
# A look this near to an end of the measure phase is a look at that end.
EDGE_S = 0.1


@dataclass(frozen=True, slots=True)
class Window:
    """The measure phase in CLOCK_MONOTONIC nanoseconds."""

    start_ns: int
    end_ns: int

    @property
    def length_s(self) -> float:
        """Its length in seconds."""
        return (self.end_ns - self.start_ns) / NANOSECONDS

    def holds(self, at_s: float) -> bool:
        """Return whether a moment, in seconds of the same clock, lies within it."""
        return self.start_ns / NANOSECONDS <= at_s <= self.end_ns / NANOSECONDS

    def before(self, frames: Iterable[Frame]) -> list[Frame]:
        """Return the frames that were over when the window began."""
        return [frame for frame in frames if frame.end_ns <= self.start_ns + EDGE_NS]

    def inside(self, frames: Iterable[Frame]) -> list[Frame]:
        """Return the frames that end within the window or with it."""
        return [
            frame
            for frame in frames
            if self.start_ns + EDGE_NS < frame.end_ns <= max(self.end_ns, self.start_ns) + EDGE_NS
        ]

    def begun_in(self, frames: Iterable[Frame]) -> list[Frame]:
        """Return the frames that began within the window: what they count is not of the ramp or the warm-up.

        The last of them may end in the drain, until the end of which connections are held. One that is shorter than
        what ends may differ by belongs where its middle is.
        """
        return [frame for frame in frames if self._has_begun(frame)]

    def _has_begun(self, frame: Frame) -> bool:
        if frame.end_ns <= self.start_ns + EDGE_NS or frame.start_ns < self.start_ns - EDGE_NS:
            return False
        is_short = frame.end_ns - frame.start_ns < 2 * EDGE_NS
        if is_short:
            return (frame.start_ns + frame.end_ns) // 2 < self.end_ns
        return frame.start_ns < self.end_ns - EDGE_NS

    def outlives(self, frames: Sequence[Frame]) -> bool:
        """Return whether a worker, whose last of ``frames`` this is, was gone before the window ended."""
        return frames[-1].end_ns < self.end_ns - EDGE_NS


@dataclass(frozen=True, slots=True)
class Gauge:
    """Connections: asked for, and established when the measure phase began and ended; None is unknown.

    ``lowest`` is the fewest of the window, ``lost`` how many the peer ended in it (only of held ones), ``missing`` the
    part of the window for which one was missing on average (only of active ones).
    """

    requested: int = 0
    at_start: int | None = None
    at_end: int | None = None
    lowest: int | None = None
    lost: int = 0
    missing: float | None = None


def by_worker(frames: Iterable[Frame]) -> dict[int, list[Frame]]:
    """Return the frames of each worker, in order of their numbers."""
    found: dict[int, list[Frame]] = {}
    for frame in sorted(frames, key=lambda frame: (frame.worker, frame.seq)):
        found.setdefault(frame.worker, []).append(frame)
    return found


def gauge_in(
    frames: Iterable[Frame], window: Window | None, name: Literal["held", "active"], requested: int
) -> Gauge:
    """Return the connections asked for beside those established in the window, summed over the workers."""
    if window is None:
        return Gauge(requested)
    workers = list(by_worker(frames).values())
    return Gauge(
        requested,
        at_start=sum(_at_start(own, window, name) for own in workers),
        at_end=sum(_at_end(own, window, name) for own in workers),
        lowest=sum(_lowest(own, window, name) for own in workers),
        lost=sum(frame.held_lost for own in workers for frame in window.begun_in(own))
        if name == "held"
        else 0,
        missing=_missing(workers, window, requested) if name == "active" else None,
    )


def _missing(workers: Sequence[Sequence[Frame]], window: Window, requested: int) -> float | None:
    known = [frame.active_missing_ns for own in workers for frame in window.inside(own)]
    whole_ns = requested * (window.end_ns - window.start_ns)
    return sum(known) / whole_ns if known and whole_ns > 0 else None


def _at_start(own: Sequence[Frame], window: Window, name: str) -> int:
    found = window.before(own)[-1:] or window.inside(own)[:1] or own[:1]
    return int(getattr(found[0], name))


def _at_end(own: Sequence[Frame], window: Window, name: str) -> int:
    # A worker that is gone has closed what it held.
    if window.outlives(own):
        return 0
    return int(getattr((window.inside(own) or own)[-1], name))


def _lowest(own: Sequence[Frame], window: Window, name: str) -> int:
    """Return the fewest of one worker: at the start, at each interval's end and in between."""
    if window.outlives(own):
        return 0
    known = [frame for frame in window.before(own)[-1:] if frame.end_ns >= window.start_ns - EDGE_NS]
    seen: list[int] = [getattr(frame, name) for frame in known + window.inside(own)]
    seen += [getattr(frame, f"{name}_min") for frame in window.begun_in(own)]
    return min(seen, default=0)


def cpu_cores_in(own: Sequence[Frame], window: Window | None) -> float | None:
    """Return the mean CPU use of one worker in cores over the window; None where its frames do not say."""
    if window is None:
        return None
    looks = window.before(own)[-1:] + window.inside(own)
    if len(looks) < 2:
        return None
    first, last = looks[0], looks[-1]
    used_ns = last.cpu_user_ns + last.cpu_system_ns - first.cpu_user_ns - first.cpu_system_ns
    return used_ns / max(1, last.end_ns - first.end_ns)


def throttled_s_in(own: Sequence[Frame], window: Window | None) -> float:
    """Return for how many seconds of the window a CPU quota held one worker back, as far as it saw it."""
    looks = [] if window is None else window.before(own)[-1:] + window.inside(own)
    return (looks[-1].throttled_ns - looks[0].throttled_ns) / NANOSECONDS if looks else 0.0


def window_of(account: LoadAccount, frames: Iterable[Frame], seen: Window | None = None) -> Window:
    """Return the measure window of a load, without length where it never began.

    Of a load that was cut it is ``seen``, as far as there are frames.
    """
    driven, asked = account.driven, account.asked
    last_ns = max((frame.end_ns for frame in frames), default=0)
    if driven is None:
        return Window(last_ns, last_ns) if seen is None else Window(seen.start_ns, min(seen.end_ns, last_ns))
    if driven.start_ns is None:
        # What there was of it was before.
        return Window(last_ns, last_ns)
    start_ns = driven.start_ns + round(asked.warmup_s * NANOSECONDS)
    # It is shorter than planned after an early stop.
    planned_ns = round(asked.measure_s * NANOSECONDS)
    return Window(start_ns, start_ns + max((done.measured_ns for done in account.dones), default=planned_ns))
