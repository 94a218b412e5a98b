"""The plan's questions to a Prometheus about one trial, asked once its measure phase is over.

Whatever becomes of them, the trial goes on: a server that is away is a line in the journal.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.errors import SeatrialError
from seatrial.observe.prometheus.ask import observed
from seatrial.observe.prometheus.client import Prometheus
from seatrial.record.events import Noted, QueryObserved
from seatrial.run.observed.access import access_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seatrial.observe.prometheus.series import Observed
    from seatrial.record.events import Event
    from seatrial.run.agenda import TrialPlan


@dataclass(slots=True)
class MeasurePhase:
    """When the measure phase began and was to end (CLOCK_MONOTONIC, ns); None until it has begun."""

    start_ns: int | None = None
    end_ns: int = 0

    def begins(self, start_ns: int, lasts_s: float) -> None:
        """Note that it begins."""
        self.start_ns, self.end_ns = start_ns, start_ns + round(lasts_s * 1e9)

    def unix_s(self) -> tuple[float, float] | None:
        """Return its start and end as Unix times, by this machine's clock as it is now."""
        if self.start_ns is None:
            return None
        boot_s = time.time() - time.monotonic()
        return boot_s + self.start_ns / 1e9, boot_s + self.end_ns / 1e9


async def observe_trial(
    trial: TrialPlan, run_id: str, phase: MeasurePhase, record: Callable[[Event], None]
) -> None:
    """Ask, and record what was answered; nothing where the plan asks nothing, or nothing was measured."""
    observe, window_s = trial.case.plan.observe, phase.unix_s()
    if observe is None or window_s is None or trial.case.is_sanity:
        return
    values = {
        "run": run_id,
        "plan": trial.case.plan.name,
        "system": trial.case.system.label,
        "case": trial.case.id,
        "trial": str(trial.order),
        "window": f"{round((window_s[1] - window_s[0]) * 1_000)}ms",
    }
    try:
        async with Prometheus(access_of(observe.prometheus)) as client:
            found = await observed(client, observe.queries, values, window_s)
    except SeatrialError as fault:
        next_step = f"; next: {fault.next_step}" if fault.next_step else ""
        text = f"nothing is known of what the plan observes: {fault.line}{next_step}"
        record(Noted("seatrial", text, trial.order))
        return
    for one in found:
        record(QueryObserved(trial.order, one))
        for text in _remarks(one):
            record(Noted("seatrial", text, trial.order))


def _remarks(one: Observed) -> Iterator[str]:
    """Yield what a reader has to know beside the numbers."""
    if one.problem is not None:
        yield f"`{one.name}` was not observed: {one.problem}"
    elif not one.series:
        yield f"`{one.name}` was not observed: Prometheus has no such series in the measure phase: {one.query.strip()}"
    if one.left_out:
        yield f"`{one.name}` yields {len(one.series) + one.left_out} series, of which {len(one.series)} are kept"
    for warning in one.warnings:
        yield f"`{one.name}`: Prometheus warns: {warning}"
