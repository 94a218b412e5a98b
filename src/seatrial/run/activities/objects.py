"""Objects: routes that are created, changed and deleted beside traffic, each probed until every proxy serves it so."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from seatrial.errors import GeneratorFault
from seatrial.generator.prober import Prober, Sighting
from seatrial.plan.load_options import load_options
from seatrial.plan.model.objects import PROBE_TIMEOUT_S
from seatrial.probe.asking import ENDPOINT_FIELD
from seatrial.record.events import MilestoneReached, Noted
from seatrial.run.activities.base import Bed, Setting, Takes, Timeline, sleep_until
from seatrial.topology.changed import Changed, changed_route

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from seatrial.plan.model.objects import ObjectsPlan
    from seatrial.record.events import Milestone
    from seatrial.run.ending import Ending
    from seatrial.topology.changed import Change
    from seatrial.topology.expand import Route, Topology

SAID_LIMIT_S = 15.0
"""A status that is written later than that, once traffic is served, is not waited for."""
KEPT_CONNECTIONS = 4
"""To each proxy: what has threads serves them by several, and each of those takes a change by itself."""
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Changing:
    """One change of one route."""

    number: int
    change: Change
    generation: int


class Objects:
    """The changes of one trial as an activity: one kind after the other, each until it is everywhere."""

    completed = 0
    """Its probes are no load: how many were answered is among the milestones."""

    def __init__(self, plan: ObjectsPlan, setting: Setting) -> None:
        self._trial, self._plan, self._bed = setting.trial.order, plan, setting.bed
        self._workers, self._record, self._case = setting.workers, setting.record, setting.trial.case
        self._calm_s = self._case.load.interval_s
        self._prober = Prober(self._open, self._on_sighting)
        self._base: Topology = setting.bed.topology
        self._generations: dict[int, int] = {}
        self._latest: dict[int, int] = {}
        self._watched: list[_Changing] = []
        self._places: tuple[str, ...] = ()

    async def start(self) -> Takes:
        """Start the prober; it opens its connections, and looks for nothing yet."""
        self._places = _places(self._bed)
        await self._prober.start()
        return Takes()

    async def ready(self) -> bool:
        """Be ready."""
        return True

    async def run(self, timeline: Timeline) -> None:
        """Make every change within the measure phase; what is not settled by its end is recorded as it stands."""
        # First it is seen that everything is as asked for.
        await sleep_until(timeline.measure_ns + round(self._calm_s * _NS))
        left_s = (timeline.end_ns - time.monotonic_ns()) / _NS
        try:
            async with asyncio.timeout(max(0.0, left_s)):
                for change in self._plan.changes * self._plan.rounds:
                    await self._make(change)
                    await self._prober.settled()
                    await self._bed.said(SAID_LIMIT_S)
        except TimeoutError:
            text = "objects: not every change was made and live when the measure phase ended"
            self._record(Noted("seatrial", text, self._trial))
        await sleep_until(timeline.end_ns)
        await self._prober.require_alive()

    async def finish(self, ending: Ending) -> None:
        """End the prober in order: what it looks for still it says as it stands. Raises where it says nothing."""
        probed = await self._prober.finish()
        if probed is None and not ending.stop.is_set():
            raise GeneratorFault(
                "the prober does not say what it has seen",
                next_step="see whether another program stopped or ended it, and run the plan again",
            )
        if probed is not None:
            text = (
                f"objects: {probed.probes:,} probes, the latest {probed.late_s_max * 1e3:,.1f} ms after it was due, "
                f"with {probed.cpu_s:.2f} s of CPU"
            )
            self._record(Noted("seatrial", text, self._trial))

    async def close(self) -> None:
        """End the prober; the testbed ends the routes."""
        await self._prober.close()

    async def _make(self, change: Change) -> None:
        """Make one kind of change to every route, a batch at a time."""
        began_ns = time.monotonic_ns()
        for turn, batch in enumerate(self._batches(change)):
            if self._plan.rate_per_s is not None:
                await sleep_until(began_ns + round(turn / self._plan.rate_per_s * _NS))
            routes = tuple(self._watch(one) for one in batch)
            before = tuple(map(self._before, batch)) if change == "update" else ()
            for one in batch:
                if change == "delete":
                    del self._generations[one.number]
                else:
                    self._generations[one.number] = one.generation
            generations = dict(self._generations)
            changed = Changed(self._base, change, routes, generations, self._plan.of, before)
            by_name = {_subject(one): one for one in batch}
            await self._bed.serve(changed, partial(self._heard, by_name))

    def _batches(self, change: Change) -> Iterator[Sequence[_Changing]]:
        for first in range(0, self._plan.routes, self._plan.at_a_time):
            numbers = range(first, min(self._plan.routes, first + self._plan.at_a_time))
            yield [_Changing(number, change, self._generation(number, change)) for number in numbers]

    def _generation(self, number: int, change: Change) -> int:
        # One that is created again is another: each generation is of one change, and of its end.
        if change != "delete":
            self._latest[number] = self._latest.get(number, 0) + 1
        return self._latest[number]

    def _watch(self, one: _Changing) -> Route:
        route = self._route(one.number, one.generation)
        more: dict[str, Any] = {}
        over = 1
        if one.change == "update":
            more = {"before": _by(self._before(one))}
        if one.change == "delete":
            # What was there before may go on serving what is gone.
            more, over = {"gone": True, "over": ["kept", "fresh"]}, 2
        self._watched.append(one)
        self._prober.watch(
            len(self._watched) - 1,
            route.authority,
            route.prefix,
            _by(route),
            over * len(self._places),
            **more,
        )
        return route

    def _before(self, one: _Changing) -> Route:
        return self._route(one.number, one.generation - 1)

    def _route(self, number: int, generation: int) -> Route:
        return changed_route(self._base, number, generation, self._plan.of)

    def _heard(
        self,
        batch: Mapping[str, _Changing],
        milestone: Milestone,
        place: str,
        name: str,
        after_s: float,
        at_s: float,
    ) -> None:
        one = batch[name]
        self._record(
            MilestoneReached(self._trial, name, one.change, one.generation, milestone, place, at_s, after_s)
        )

    def _on_sighting(self, sighting: Sighting) -> None:
        one = self._watched[sighting.watch]
        milestone: Milestone = "live"
        if sighting.is_settled:
            milestone = "stable" if sighting.is_stable else "not seen"
        self._record(
            MilestoneReached(
                trial=self._trial,
                subject=_subject(one),
                change=one.change,
                generation=one.generation,
                milestone=milestone,
                place=self._places[sighting.replica],
                at_s=sighting.at_s or time.monotonic(),
                after_s=sighting.after_s,
                over=sighting.over,
                relapses=sighting.relapses,
                answers=sighting.answers,
                lost=sighting.lost,
                stale=sighting.stale,
            )
        )

    async def _open(self) -> Any:
        tls = load_options(self._case, self._bed.endpoints).spec().tls
        return await self._workers.open_prober(
            {
                "worker": 0,
                "replicas": [{"host": at.host, "port": at.port} for at in self._bed.endpoints],
                "period_ns": round(self._plan.probe_period_s * _NS),
                "rate_limit_per_s": self._plan.probe_rate_per_s,
                "timeout_ns": round(PROBE_TIMEOUT_S * _NS),
                "stable_after": self._plan.stable_after,
                "field": ENDPOINT_FIELD,
                "headers": [[ENDPOINT_FIELD, "?"]],
                "kept_connections": KEPT_CONNECTIONS,
                # As the load's own connections do, to the name that they ask for.
                "tls": None if tls is None else tls.engine_spec(),
            }
        )


def _by(route: Route) -> list[str]:
    """Return who answers for a route, as an answer names them."""
    return [str(endpoint) for endpoint in route.service.endpoints]


def _subject(one: _Changing) -> str:
    return f"change-{one.number}"


def _places(bed: Bed) -> tuple[str, ...]:
    """Return the name of each endpoint's member, or its address where members are not told by their endpoints."""
    for names in (
        [proxy.name for proxy in bed.system.proxies()],
        [member.name for member in bed.system.members() if member.role == "system"],
    ):
        if len(names) == len(bed.endpoints):
            return tuple(names)
    return tuple(str(endpoint) for endpoint in bed.endpoints)


def objects_of(setting: Setting) -> Objects | None:
    """Return those of a trial, None where its plan changes nothing."""
    plan = setting.trial.case.objects
    if plan is None:
        return None
    return Objects(plan, setting)
