"""A discoverer in one trial, from what was recorded of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.discovery.cpu import cores_between
from seatrial.analysis.discovery.use import DiscoveryUse, discovery_use
from seatrial.discovery.facts import GATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.observe.samples import ProcessSample
    from seatrial.record.events import MilestoneReached
    from seatrial.record.reader import RunReader


def discovery_in(
    reader: RunReader, trial: int, milestones: Sequence[MilestoneReached], processes: Sequence[ProcessSample]
) -> DiscoveryUse | None:
    """Return what became of it; None where it was not come to its first step."""
    steps = reader.steps(trial)
    if not steps:
        return None
    seen_s = [one.at_s for one in milestones if one.change == steps[0].step]
    span = steps[0].began_s, max(seen_s, default=steps[0].ended_s)
    cpu = cores_between(processes, "system", *span)
    return discovery_use(
        steps,
        milestones,
        reader.queue_samples(trial),
        cpu,
        cores_between(processes, "generator", *span, member=GATE),
    )
