"""What a trial is made on: a system in front of its origin, set up, counted, and put back."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self, TypeVar

from seatrial.errors import SeatrialError
from seatrial.machine.address import Endpoint
from seatrial.machine.namespace import Namespace
from seatrial.plan.cases import Case
from seatrial.record.events import TrialCounts, TrialFacts
from seatrial.run.testbed.proof import DELAY_MAX_S, prove
from seatrial.run.testbed.reached import reached
from seatrial.systems import registry
from seatrial.systems.base import Launch, Origin, System
from seatrial.systems.certificate import Certificate
from seatrial.systems.counters import Counted, Counters, OriginCounts, counted_between
from seatrial.topology.expand import NOWHERE, Topology, expand
from seatrial.topology.options import TopologyPlan

Count = TypeVar("Count")

ORIGIN = "origin"
"""The label of the origin, which no system may have."""

Launching = Callable[[str, Topology], Launch]
"""Makes what a system or an origin needs to come up, from its label and where it sends requests."""


@dataclass(slots=True)
class Testbed:
    """A system and its origin; ``endpoints`` and ``drained`` are known once both are up.

    ``certified_for`` are the names of the certificate that clients see, beside the address; None is plain HTTP. Without
    a proxy it is the origin that they see: it is not ``proxied``.
    ``drained`` is whether connections and rate were at zero before anything was sent.
    """

    system: System
    origin: Origin
    label: str
    answers_with: int = 200
    delay_s: float = 0.0
    topology_plan: TopologyPlan = field(default_factory=TopologyPlan)
    topology: Topology = NOWHERE
    certified_for: tuple[str, ...] | None = None
    proxied: bool = True
    endpoints: tuple[Endpoint, ...] = ()
    drained: bool = False
    _before: tuple[Counters, OriginCounts] | None = None

    @classmethod
    def of(cls, case: Case, origin_seed: int) -> Self:
        """Return the testbed of a case; nothing of it has started."""
        origin = registry.create_origin(case.origin, origin_seed)
        options = case.system.options
        made = cls(options.create(), origin, case.system.label, proxied=options.proxied)
        delay = case.origin.delay
        made.answers_with, made.delay_s = case.origin.status, max(delay.mean_s, delay.high_s)
        made.topology_plan = case.topology
        if (tls := case.load.tls) is not None:
            made.certified_for = (tls.sni.removesuffix("."),) if tls.sni else ()
        return made

    @property
    def is_up(self) -> bool:
        """Whether both are ready, and what they had counted is known."""
        return self._before is not None

    async def set_up(
        self, launching: Launching, drain_limit_s: float, asked_from: Namespace | None = None
    ) -> None:
        """Start origin and system, wait until both are ready, and read what they have counted until then.

        That every route is live is proven from ``asked_from``, the network of the load.
        """
        launch = self._certified(launching(ORIGIN, NOWHERE), is_front=not self.proxied)
        listens = self.topology_plan.endpoints_in_all
        upstreams = await self.origin.start(dataclasses.replace(launch, listens=listens))
        self.topology = expand(self.topology_plan, upstreams)
        launch = self._certified(launching(self.label, self.topology), is_front=self.proxied)
        self.endpoints = await self.system.start(launch)
        if self.proxied and self.delay_s <= DELAY_MAX_S:
            await prove(self.topology, self.endpoints, self.answers_with, asked_from)
        self.drained = await self.system.drained(drain_limit_s)
        # Once a system has drained, its plain counters are exact.
        self._before = (await self.system.counters(exact=not self.drained), await self.origin.counts())

    def _certified(self, launch: Launch, *, is_front: bool) -> Launch:
        if self.certified_for is None or not is_front:
            return launch
        names = (launch.place.host, *self.certified_for)
        return dataclasses.replace(launch, certificate=Certificate.issue(launch.directory, names))

    async def counts(self, generator_completed: int) -> tuple[TrialCounts, TrialFacts]:
        """Count once more on every side, less what each had counted before the load, and say who could not.

        A side that does not answer takes nothing from the others: their counts are evidence still.
        """
        assert self._before is not None
        counters_before, origin_before = self._before
        uncounted: list[str] = []
        counters = await _or_uncounted("system", self.system.counters(exact=True), uncounted)
        counted = Counted() if counters is None else counted_between(counters_before, counters)
        uncounted += [f"system: {why}" for why in counted.uncounted]
        origin = await _or_uncounted("origin", self.origin.counts(), uncounted)
        counts = TrialCounts(
            generator_completed=generator_completed,
            system_requests=counted.requests,
            system_upstream_requests=counted.upstream_requests,
            origin_requests=None if origin is None else origin.requests - origin_before.requests,
        )
        facts = TrialFacts(
            drained_before_start=self.drained,
            missing=(*counters_before.missing, *self._not_proven()),
            uncounted=tuple(uncounted),
            reached=None if origin is None else reached(self.topology, origin_before, origin),
        )
        return counts, facts

    def _not_proven(self) -> tuple[str, ...]:
        if not self.proxied or self.delay_s <= DELAY_MAX_S:
            return ()
        return ("whether every route was live before the load: the origin's delay is too long to ask",)

    async def cool_down(self, limit_s: float) -> bool:
        """Wait until no connection is left; return whether that came. A system that has failed has none."""
        return self.system.failure() is not None or await self.system.drained(limit_s)

    async def put_back(self) -> None:
        """End both, whatever state they are in."""
        try:
            await self.system.stop()
        finally:
            await self.origin.stop()


async def _or_uncounted(who: str, asking: Awaitable[Count], uncounted: list[str]) -> Count | None:
    try:
        return await asking
    except SeatrialError as error:
        uncounted.append(f"{who}: {error.what}")
        return None
