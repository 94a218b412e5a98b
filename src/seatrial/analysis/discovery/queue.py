"""What a discoverer's queue did, from the looks at its own page."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.discovery.facts import QueueSample, StepFacts


@dataclass(frozen=True, slots=True)
class QueueUse:
    """The queue over a trial, by the discoverer's own count; None is "it does not say".

    ``peak`` is the most at any look, ``left`` what there was at the last once there was nothing left to do, and
    ``emptied_s`` how long after its start it was empty for the first time after the peak of the first discovery;
    ``drained_per_s`` is how fast it came down from there. ``unaccounted`` are items that were enqueued, and are neither
    done nor dropped nor there, at that look.
    """

    looks: int
    peak: float | None = None
    left: float | None = None
    emptied_s: float | None = None
    drained_per_s: float | None = None
    enqueued: float | None = None
    done: float | None = None
    dropped: float | None = None
    retries: float | None = None
    unaccounted: float | None = None


def queue_use(samples: Sequence[QueueSample], steps: Sequence[StepFacts]) -> QueueUse | None:
    """Return what the looks come to; None where there are none."""
    if not samples:
        return None
    last, first = samples[-1], steps[0]
    at_end = _at_end(samples, steps)
    depths = [(one.at_s, one.depth) for one in samples if one.depth is not None]
    emptied_s, drained_per_s = _drained([one for one in depths if one[0] >= first.began_s], first)
    return QueueUse(
        looks=len(samples),
        # What comes to a queue after the last step belongs to none.
        peak=max((depth for at_s, depth in depths if at_s <= steps[-1].ended_s), default=None),
        left=next((one.depth for one in reversed(at_end) if one.depth is not None), None),
        emptied_s=emptied_s,
        drained_per_s=drained_per_s,
        enqueued=last.enqueued,
        done=last.done,
        dropped=last.dropped,
        retries=last.retries,
        unaccounted=_unaccounted(at_end[-1]) if at_end and _only_grows(samples) else None,
    )


def _drained(depths: Sequence[tuple[float, float]], first: StepFacts) -> tuple[float | None, float | None]:
    """Return when it was empty after the peak of the first discovery, and at which rate it came to that."""
    in_first = [one for one in depths if one[0] <= first.ended_s]
    if not in_first:
        return None, None
    peak_at_s, peak = max(in_first, key=lambda one: one[1])
    empty_s = next((at_s for at_s, depth in depths if at_s >= peak_at_s and depth == 0), None)
    if empty_s is None or not peak:
        return None, None
    took_s = empty_s - peak_at_s
    return round(empty_s - first.began_s, 6), round(peak / took_s, 3) if took_s > 0 else None


def _at_end(samples: Sequence[QueueSample], steps: Sequence[StepFacts]) -> Sequence[QueueSample]:
    """Return the looks once nothing was left to do; none where the course did not come to its end.

    A page that stopped to answer before that says nothing of it.
    """
    end = next((facts for facts in steps if facts.step == "end" and not facts.cut_off), None)
    return [] if end is None else [one for one in samples if end.began_s <= one.at_s <= end.ended_s]


def _only_grows(samples: Sequence[QueueSample]) -> bool:
    """Return whether no counter went back, as those of a program do that begins anew."""
    return not any(
        before is not None and after is not None and after < before
        for one, other in pairwise(samples)
        for before, after in (
            (one.enqueued, other.enqueued),
            (one.done, other.done),
            (one.dropped, other.dropped),
        )
    )


def _unaccounted(last: QueueSample) -> float | None:
    if last.enqueued is None or last.done is None:
        return None
    return last.enqueued - last.done - (last.dropped or 0) - (last.depth or 0)
