"""A discoverer over time, for the charts: its queue, and how many changes were asked for and were there by when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.discovery.use import ASKED, REPLICATED, Curve, CurveStep

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from seatrial.discovery.facts import QueueSample, StepFacts
    from seatrial.record.events import MilestoneReached

POINTS_LIMIT = 2_000
"""Of each curve: more than a screen has columns of pixels."""


def curve_of(
    steps: Sequence[StepFacts],
    milestones: Iterable[MilestoneReached],
    samples: Iterable[QueueSample],
    started_s: float,
) -> Curve | None:
    """Return the curves of a trial that started at ``started_s``; None where it has no step."""
    if not steps:
        return None
    reached = list(milestones)
    asked = {(one.subject, one.generation) for one in reached if one.milestone == ASKED}
    # What comes and goes was there at the first time, and counts once.
    there: dict[tuple[str, int], float] = {}
    for one in reached:
        if one.milestone == REPLICATED and (one.subject, one.generation) in asked:
            there.setdefault((one.subject, one.generation), one.at_s)
    return Curve(
        asked=_counted((one.at_s for one in reached if one.milestone == ASKED), started_s),
        there=_counted(there.values(), started_s),
        depth=tuple((round(one.at_s - started_s, 3), one.depth) for one in samples if one.depth is not None),
        steps=tuple(
            CurveStep(
                one.step, one.words, round(one.began_s - started_s, 3), round(one.ended_s - started_s, 3)
            )
            for one in steps
        ),
    )


def _counted(moments_s: Iterable[float], started_s: float) -> tuple[tuple[float, int], ...]:
    """Return how many there were by when, from 0; of moments close to each other only the last."""
    ordered = sorted(at_s - started_s for at_s in moments_s)
    if not ordered:
        return ()
    apart_s = (ordered[-1] - ordered[0]) / POINTS_LIMIT
    return ((round(ordered[0], 3), 0), *_last_of_each(ordered, apart_s))


def _last_of_each(ordered: Sequence[float], apart_s: float) -> Iterator[tuple[float, int]]:
    before_s = ordered[0]
    for count, at_s in enumerate(ordered, start=1):
        is_last = count == len(ordered)
        if is_last or (ordered[count] > at_s and ordered[count] - before_s >= apart_s):
            yield round(at_s, 3), count
            before_s = at_s
