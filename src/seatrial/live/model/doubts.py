"""Signs that a trial may not be believed, as they arise: what the rules of validity will look at, seen early.

None of them decides anything: that is done when the trial is over, from all of it. A sign has the code of its rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.analysis.validity.direction import LATENESS_STEPS_LIMIT, LATENESS_US_LIMIT
from seatrial.analysis.validity.rules.connections import ERROR_FRACTION_LIMIT
from seatrial.analysis.validity.rules.delays import (
    FRAME_GAP_S_LIMIT,
    IDLE_FRACTION_ENOUGH,
    OTHERS_FRACTION_LIMIT,
)
from seatrial.units import format_us

if TYPE_CHECKING:
    from seatrial.live.model.points import LoadPoint
    from seatrial.record.events import LoadStarted

JUDGED = ("warm up", "measure")


@dataclass(frozen=True, slots=True)
class Sign:
    """What an interval, or a look at the machine, gives reason to doubt."""

    code: str
    text: str
    at_s: float


@dataclass(slots=True)
class Doubt:
    """The same sign over a trial: how often, since when, and its last words."""

    code: str
    text: str
    first_s: float
    last_s: float
    times: int = 1

    def again(self, sign: Sign) -> None:
        """Count it once more."""
        self.text, self.last_s, self.times = sign.text, sign.at_s, self.times + 1


def signs_of(point: LoadPoint, load: LoadStarted | None) -> Iterator[Sign]:
    """Yield what one interval of the load shows."""
    if point.phase not in JUDGED:
        return
    limit_us = LATENESS_US_LIMIT
    if load is not None:
        step_us = max((hello.resolution_ns for hello in load.hellos), default=0) // 1_000
        limit_us = max(LATENESS_US_LIMIT, LATENESS_STEPS_LIMIT * step_us)
    late_us = point.lateness_us_p99
    if late_us is not None and late_us > limit_us:
        yield Sign("generator.late", f"requests left late: p99 {format_us(late_us)}", point.end_s)
    if point.stall_us_max > FRAME_GAP_S_LIMIT * 1e6:
        text = f"a worker's loop was away for {format_us(point.stall_us_max)}"
        yield Sign("generator.stalled", text, point.end_s)
    broken = sum(count for kind, count in point.errors.items() if kind != "timeout")
    if broken > ERROR_FRACTION_LIMIT * max(1, point.sent):
        kind = max(point.errors, key=lambda name: point.errors[name])
        yield Sign("system.errors", f"{broken:,} broke in one interval: {kind}", point.end_s)
    if load is not None:
        yield from _missing(point, load)


def _missing(point: LoadPoint, load: LoadStarted) -> Iterator[Sign]:
    if point.workers < len(load.hellos):
        text = f"{point.workers} of {len(load.hellos)} workers report"
        yield Sign("generator.frames", text, point.end_s)
    elif point.held < load.asked.held:
        text = f"{point.held:,} of {load.asked.held:,} held connections are there"
        yield Sign("system.held_connections", text, point.end_s)


def sign_of_machine(others: float, idle: float, at_s: float) -> Sign | None:
    """Return what the shares of the machine's CPU show: of processes that are not ours, and of nobody."""
    if others <= OTHERS_FRACTION_LIMIT or idle >= IDLE_FRACTION_ENOUGH:
        return None
    return Sign("environment.busy", f"other processes use {others:.0%} of the machine's CPU", at_s)
