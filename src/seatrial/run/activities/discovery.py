"""Discovery: services change at a source of truth, and a discoverer carries each change to a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.cluster.connection.kubeconfig import Where
from seatrial.discovery.page import QueuePage
from seatrial.errors import PlanError
from seatrial.record.events import Noted, QueueSampled
from seatrial.run.activities.base import Setting, Takes, Timeline, sleep_until
from seatrial.run.discovery.apparatus import Apparatus
from seatrial.run.discovery.course import Course
from seatrial.seeds import derive
from seatrial.systems.discovering import Discovering

if TYPE_CHECKING:
    from seatrial.plan.model.discovery import DiscoveryPlan
    from seatrial.run.ending import Ending

FILLED_PER_S = 50.0
"""Services that a source takes in a second at least: an API server makes two objects for each."""
_NS = 1e9


class Discovery:
    """The course of one trial as an activity: its source is filled, and it begins with the measure phase."""

    completed = 0
    """No request is made to the system or the origin."""

    def __init__(self, plan: DiscoveryPlan, system: Discovering, setting: Setting) -> None:
        self._trial, self._plan, self._record = setting.trial.order, plan, setting.record
        self._seed = derive(setting.trial.seed, "discovery")
        self._system = system
        self._watch_generators, self._announce = setting.watch_generators, setting.announce
        self._apparatus = Apparatus(
            plan, system, setting.cluster or Where(), setting.changes, self._seed % 2**32, self._on_seen
        )
        self._course: Course | None = None

    async def start(self) -> Takes:
        """Start what stands around it."""
        await self._apparatus.start()
        self._watch_generators(self._apparatus.members())
        return Takes(ready_s=self._plan.services / FILLED_PER_S)

    async def ready(self) -> bool:
        """Fill the source."""
        spaces, services = self._apparatus.namespaces, self._plan.services
        counts = {
            name: services // len(spaces) + (number < services % len(spaces))
            for number, name in enumerate(spaces)
        }
        self._course = Course(self._trial, self._apparatus, self._record, self._seed)
        self._course.fill(await self._apparatus.source.create(counts))
        return True

    async def run(self, timeline: Timeline) -> None:
        """Begin it with the measure phase, and take it through its steps."""
        assert self._course is not None
        await sleep_until(timeline.measure_ns)
        begun = await self._system.begin(self._apparatus.wiring)
        self._announce()
        page = QueuePage(
            begun, self._plan.sample_every_s, lambda sample: self._record(QueueSampled(self._trial, sample))
        )
        self._apparatus.follow(page.run())
        await self._course.run(begun.at_ns / _NS, page, timeline.end_ns / _NS)
        if page.silent is not None:
            text = f"discovery: the discoverer's page {page.silent} never answered: what its queue did is not known"
            self._record(Noted("seatrial", text, self._trial))
        self._apparatus.check()
        timeline.over.set()

    async def finish(self, ending: Ending) -> None:
        """Do nothing: what was seen is recorded."""

    async def close(self) -> None:
        """End what stands around it; the testbed ends the discoverer."""
        await self._apparatus.close()

    def _on_seen(self, subject: str, seen_s: float) -> None:
        if self._course is not None:
            self._course.on_seen(subject, seen_s)


def discovery_of(setting: Setting) -> Discovery | None:
    """Return that of a trial, None where its plan discovers nothing; raises ``PlanError`` for a source not its own."""
    plan, system = setting.trial.case.discovery, setting.bed.system
    if plan is None:
        return None
    if not isinstance(system, Discovering):
        raise TypeError(f"{setting.trial.case.system.kind} is no discoverer")
    if plan.source not in system.sources:
        kind = setting.trial.case.system.kind
        raise PlanError(
            f"`{kind}` does not read from `{plan.source}`",
            next_step=f"`source: {next(iter(sorted(system.sources)))}`, or another discoverer",
        )
    return Discovery(plan, system, setting)
