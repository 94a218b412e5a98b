"""How a doubt about the generator or its machine can move the numbers of a load.

Where requests leave late or the machine is slow, a system looks worse than it is: served in the order of arrival, no
request is answered earlier because another came later. That holds under conditions, which are the rules below; the
reasoning, its limits and the simulation that it was held against are in ``docs/concepts/doubts.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.load.answered import error_count

if TYPE_CHECKING:
    from seatrial.analysis.load.result import LoadResult
    from seatrial.analysis.reasons import Direction

# Sends later than this at the 99th percentile would show in the latencies that are reported; below a
# millisecond the scheduler of an unloaded machine looks the same as ours. Source: wrk2 and Treadmill (ISCA
# 2016) on client lateness.
LATENESS_US_LIMIT = 1_000
# A schedule on a coarser grid is late by up to one step by design; a second step leaves room for the wake-up.
LATENESS_STEPS_LIMIT = 2
# A generator that is behind by more than this part of the window at its end sent less than it was asked to: the
# tolerance of the rate itself.
BEHIND_FRACTION_LIMIT = 0.01
# Above this part of requests without an answer, percentiles hold times that were waited in vain: "at least" samples.
UNANSWERED_FRACTION_LIMIT = 0.01


def lateness_us_limit(load: LoadResult) -> int:
    """Return how late requests may leave, and answers may lie unread."""
    return max(LATENESS_US_LIMIT, LATENESS_STEPS_LIMIT * load.resolution_us)


def direction_of_delay(load: LoadResult | None) -> Direction:
    """Return how time that the generator or its machine took can have moved the numbers of this load.

    "inflates" in an open loop whose load was the one that was asked for, apart from single late stretches. A closed
    loop that is held back asks less of the system. So does an open one that falls behind for good; where most
    requests leave late they leave in batches, which some systems serve for less than single ones; and where many have
    no answer, their latencies are more than what was waited.
    """
    if load is None or load.loop == "closed" or not load.lateness_us.count:
        return "either"
    if load.lateness_us.p50 > lateness_us_limit(load) or _behind_at_end(load):
        return "either"
    if load.requests.intended - load.requests.completed > UNANSWERED_FRACTION_LIMIT * load.requests.intended:
        return "either"
    return "inflates"


def all_answered(load: LoadResult) -> bool:
    """Return whether every request was answered as it should be.

    What fails or times out relieves the system of work. A late burst that makes requests fail can so make the others
    faster than they would have been.
    """
    return load.requests.completed == load.requests.intended and not error_count(load)


def _behind_at_end(load: LoadResult) -> bool:
    # What a generator that is behind sends in the drain is late, too.
    ends = load.intervals[-2:] if load.intervals and load.intervals[-1].drain else load.intervals[-1:]
    lateness_us = max((interval.lateness_us["p99"] for interval in ends), default=None)
    return lateness_us is None or lateness_us > BEHIND_FRACTION_LIMIT * load.window_s * 1e6
