"""The steps that a discoverer is taken through, one after the other, each with what was seen of it."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from seatrial.discovery.calls import call_figures
from seatrial.discovery.facts import StepFacts
from seatrial.record.events import MilestoneReached, Noted, StepEnded, StepStarted
from seatrial.seeds import derive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Sequence

    from seatrial.discovery.facts import Step
    from seatrial.discovery.page import QueuePage
    from seatrial.discovery.sources.base import Changed, Service
    from seatrial.plan.model.discovery import DiscoveryPlan, FaultPlan
    from seatrial.record.events import Event
    from seatrial.run.discovery.apparatus import Apparatus

    _Change = Callable[[Sequence[Service], "_Open"], Awaitable[Collection[str]]]

STORM_LOOK_S = 0.02
LOOK_S = 0.1
QUIET_S = 1.0
"""An object is seen before the call that made it has ended: it is waited for."""
PERIODS_TO_SETTLE = 3.0
LOOKS_FOR_MORE = 4
_SOURCE, _DESTINATION = "source", "destination"


class OutOfTime(Exception):
    """The measure phase is over."""


@dataclass(slots=True)
class _Open:
    """A step under way: how many services were changed for it, and which were not as they should be at its end."""

    step: Step
    words: str
    began_s: float
    names: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    periods: int = 0
    lifted_s: float | None = None
    befallen: int | None = None


class Course:
    """The steps of one trial: ``fill`` it with what is there at first, then ``run`` it."""

    def __init__(self, trial: int, apparatus: Apparatus, record: Callable[[Event], None], seed: int) -> None:
        self._trial = trial
        self._apparatus = apparatus
        self._record = record
        self._end_s = 0.0
        self._promised: tuple[str, ...] = ()
        self._plan: DiscoveryPlan = apparatus.plan
        self._period_s = apparatus.system.period_s
        self._random = random.Random(derive(seed, "discovery"))
        self._services: dict[str, Service] = {}
        self._changes: dict[str, tuple[str, int, float]] = {}
        self._generations: dict[str, int] = {}
        self._early: dict[str, float] = {}

    def fill(self, made: Iterable[Changed]) -> None:
        """Take note of what is there before the discoverer begins."""
        for changed in made:
            self._services[changed.service.subject] = changed.service
            self._apparatus.destination.want(changed.service)

    def on_seen(self, subject: str, seen_s: float) -> None:
        """Record that a service is as it should be at the destination."""
        if subject not in self._changes:
            # The discoverer has begun, and nobody has taken note of it yet.
            self._early[subject] = seen_s
        else:
            step, generation, asked_s = self._changes[subject]
            self._milestone(subject, step, generation, seen_s, asked_s)

    async def run(self, begun_s: float, page: QueuePage, end_s: float) -> None:
        """Take it through all steps; what was not reached by ``end_s`` (CLOCK_MONOTONIC) is noted."""
        self._end_s, self._promised = end_s, page.promised
        steps = tuple(self._steps(begun_s, page))
        for number, (_, take) in enumerate(steps):
            try:
                await take()
                self._require_time()
            except OutOfTime:
                rest = [name for name, _ in steps[number + 1 :]]
                if rest:
                    text = f"discovery: the measure phase ended before: {', '.join(rest)}"
                    self._record(Noted("seatrial", text, self._trial))
                return

    def _steps(self, begun_s: float, page: QueuePage) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """Yield each with its name."""
        yield "all", lambda: self._all(begun_s)
        if self._plan.samples:
            yield "new", self._each_new
            yield "update", partial(self._each_changed, "update", self._updated)
            yield "delete", partial(self._each_changed, "delete", self._deleted)
        if self._plan.idle_periods:
            yield "idle", lambda: self._idle(page)
        if self._plan.storm:
            yield "storm", self._storm
        for fault in self._plan.faults:
            yield f"fault {fault.text}", partial(self._fault, fault)
        yield "end", lambda: self._end(page)

    async def _all(self, begun_s: float) -> None:
        async with self._step("all", began_s=begun_s) as step:
            for subject in self._services:
                self._asked(subject, "all", begun_s)
                if (seen_s := self._early.pop(subject, None)) is not None:
                    self.on_seen(subject, seen_s)
            step.names |= self._services.keys()
            await self._while_they_come(step, self._services.keys(), self._left_s)

    async def _each_new(self) -> None:
        async with self._step("new") as step:
            for number in range(self._plan.samples):
                await self._any_moment()
                namespaces = self._apparatus.namespaces
                made = await self._created({namespaces[number % len(namespaces)]: 1}, step)
                await self._until(step, made, self._limit_s)

    async def _each_changed(self, name: Step, change: _Change) -> None:
        async with self._step(name) as step:
            for service in self._chosen(self._plan.samples):
                await self._any_moment()
                await self._until(step, await change([service], step), self._limit_s)

    async def _idle(self, page: QueuePage) -> None:
        await self._calm(page)
        async with self._step("idle") as step:
            step.periods = self._plan.idle_periods
            await self._sleep(step.periods * self._period_s)
            # What went back to something else by itself is a fault as well.
            step.names |= self._services.keys()
            step.missing |= set(self._apparatus.destination.missing(self._services))

    async def _storm(self) -> None:
        """Have all services of one namespace deleted, and add one elsewhere as soon as the discoverer is at it."""
        apparatus = self._apparatus
        async with self._step("storm", words="filled") as before:
            many = await self._created({apparatus.storm: self._plan.storm}, before)
            await self._while_they_come(before, many, self._limit_s)
        async with self._step("storm") as step:
            doomed = [self._services[name] for name in many]
            before_storm = apparatus.destination.changes
            deleting = asyncio.ensure_future(self._deleted(doomed, step, "storm delete"))
            try:
                # What came with the storm, in one look at the source, might be in front of it by chance.
                begun_by_s = time.monotonic() + self._limit_s
                while apparatus.destination.changes == before_storm and time.monotonic() < begun_by_s:
                    await self._sleep(STORM_LOOK_S)
                one = await self._created({apparatus.namespaces[0]: 1}, step, "storm new")
                await self._until(step, one, self._limit_s)
            finally:
                gone = await deleting
            await self._while_they_come(step, gone, self._limit_s)

    async def _fault(self, fault: FaultPlan) -> None:
        """Change services while something goes wrong; once it does not, everything has to come right."""
        at = self._apparatus.source if fault.at == "source" else self._apparatus.gate
        async with self._step("fault", words=fault.text) as step:
            await at.plant(fault.words)
            try:
                count, namespaces = self._plan.samples, self._apparatus.namespaces
                chosen = self._chosen(2 * count)
                changed = [
                    *await self._created({namespaces[0]: count}, step, "fault"),
                    *await self._updated(chosen[:count], step, "fault"),
                    *await self._deleted(chosen[count:], step, "fault"),
                ]
                await self._apparatus.destination.until(changed, min(2 * self._period_s, self._left_s))
            finally:
                step.befallen = await at.lift()
            step.lifted_s = time.monotonic()
            await self._until(step, changed, self._limit_s)

    async def _end(self, page: QueuePage) -> None:
        async with self._step("end") as step:
            await self._calm(page)
            step.names |= self._services.keys()
            step.missing |= set(self._apparatus.destination.missing())

    async def _calm(self, page: QueuePage) -> None:
        """Wait for one period, and until the queue says at a look since then that it is empty; not for ever."""
        since_s = time.monotonic()
        await self._sleep(self._period_s)
        deadline_s = time.monotonic() + min(self._limit_s, self._left_s)
        while (last := page.last) is not None and time.monotonic() < deadline_s:
            if last.at_s > since_s and not last.depth:
                break
            await self._sleep(LOOK_S)

    @asynccontextmanager
    async def _step(self, step: Step, words: str = "", began_s: float | None = None) -> AsyncIterator[_Open]:
        apparatus = self._apparatus
        await apparatus.gate.quiet(QUIET_S)
        await apparatus.gate.new_calls()
        source_calls = await apparatus.source.calls()
        there = apparatus.destination
        changes, relapses, missed = there.changes, there.relapses, there.missed
        one = _Open(step, words, time.monotonic() if began_s is None else began_s)
        self._record(StepStarted(self._trial, step, words, one.began_s))
        try:
            yield one
        finally:
            ended_s = time.monotonic()
            await apparatus.gate.quiet(QUIET_S)
            calls, lost = await apparatus.gate.new_calls()
            now = await apparatus.source.calls()
            facts = StepFacts(
                step=step,
                began_s=one.began_s,
                ended_s=ended_s,
                asked=len(one.names),
                missing=len(one.missing),
                words=words,
                changed=there.changes - changes,
                relapses=there.relapses - relapses,
                calls=call_figures(calls, lost),
                source_calls=None if now is None or source_calls is None else now - source_calls,
                lag_s=apparatus.lag.between(one.began_s, ended_s),
                periods=one.periods,
                lifted_s=one.lifted_s,
                befallen=one.befallen,
                missed=there.missed - missed,
                cut_off=ended_s >= self._end_s,
                promised=self._promised,
            )
            self._record(StepEnded(self._trial, facts))

    async def _until(self, step: _Open, names: Collection[str], limit_s: float) -> None:
        """Wait for these, as long as there is time; those that are missing then are so in the step."""
        step.missing |= await self._missing(names, limit_s)
        self._require_time()

    async def _while_they_come(self, step: _Open, names: Collection[str], first_limit_s: float) -> None:
        """Wait for many as long as some come: for the first ``first_limit_s``, for each after it as for one change."""
        since_s, least = time.monotonic(), len(names)
        while missing := await self._missing(names, self._limit_s / LOOKS_FOR_MORE):
            if len(missing) < least:
                since_s, least = time.monotonic(), len(missing)
            limit_s = first_limit_s if least == len(names) else self._limit_s
            if min(since_s + limit_s - time.monotonic(), self._left_s) <= 0:
                break
        step.missing |= missing
        self._require_time()

    async def _missing(self, names: Collection[str], limit_s: float) -> set[str]:
        self._apparatus.check()
        missing = await self._apparatus.destination.until(names, max(0.0, min(limit_s, self._left_s)))
        self._apparatus.check()
        return set(missing)

    async def _created(self, counts: dict[str, int], step: _Open, what: str = "") -> list[str]:
        return self._take(await self._apparatus.source.create(counts), step, what or step.step)

    async def _updated(self, services: Sequence[Service], step: _Open, what: str = "") -> list[str]:
        self._apparatus.destination.changing(service.subject for service in services)
        return self._take(await self._apparatus.source.update(services), step, what or step.step)

    async def _deleted(self, services: Sequence[Service], step: _Open, what: str = "") -> list[str]:
        self._apparatus.destination.changing(service.subject for service in services)
        for service in services:
            del self._services[service.subject]
        return self._take(await self._apparatus.source.delete(services), step, what or step.step)

    def _take(self, changes: Sequence[Changed], step: _Open, what: str) -> list[str]:
        for changed in changes:
            service = changed.service
            if service.endpoints:
                self._services[service.subject] = service
            self._asked(service.subject, what, changed.at_s)
            self._apparatus.destination.want(service)
        names = [changed.service.subject for changed in changes]
        step.names |= set(names)
        return names

    def _asked(self, subject: str, what: str, at_s: float) -> None:
        generation = self._generations[subject] = self._generations.get(subject, 0) + 1
        self._changes[subject] = what, generation, at_s
        self._record(MilestoneReached(self._trial, subject, what, generation, "asked", _SOURCE, at_s, at_s))

    def _milestone(self, subject: str, what: str, generation: int, seen_s: float, asked_s: float) -> None:
        # It was so before it was seen, by no more than the watch was late; and not before it was asked for.
        looks = self._apparatus.lag.looks[-20:]
        after_s = max(asked_s, seen_s - max((lag_s for _, lag_s in looks), default=0.0))
        of = (self._trial, subject, what, generation)
        self._record(MilestoneReached(*of, "replicated", _DESTINATION, seen_s, after_s))

    def _chosen(self, count: int) -> list[Service]:
        """Return some of those that are there, of different namespaces where that is possible."""
        names = sorted(self._services)
        return [self._services[name] for name in self._random.sample(names, min(count, len(names)))]

    async def _any_moment(self) -> None:
        """Wait for any part of a period: who always asks just after a look waits longest."""
        await self._sleep(self._random.random() * self._period_s)

    async def _sleep(self, for_s: float) -> None:
        await asyncio.sleep(max(0.0, min(for_s, self._left_s)))
        self._require_time()

    @property
    def _left_s(self) -> float:
        return self._end_s - time.monotonic()

    @property
    def _limit_s(self) -> float:
        """How long one thing may take."""
        return self._plan.settle_s + PERIODS_TO_SETTLE * self._period_s

    def _require_time(self) -> None:
        if self._left_s <= 0:
            raise OutOfTime
