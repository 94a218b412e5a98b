"""What a trial is made on: a system in front of its origin, set up, counted, and put back."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, Self, TypeVar

from seatrial.errors import SeatrialError
from seatrial.machine.address import Endpoint
from seatrial.machine.members import Role
from seatrial.plan.cases import Case
from seatrial.plan.model.during import DisturbancePlan, topologies
from seatrial.record.facts import TrialCounts, TrialFacts
from seatrial.run.testbed import controllers as control
from seatrial.run.testbed.askers import Asker, LocalAsker
from seatrial.run.testbed.limits import limits_met, rejected, require_counting
from seatrial.run.testbed.proof import DELAY_MAX_S, Asking, gone, prove, shown
from seatrial.run.testbed.reached import reached
from seatrial.systems.base import Launch, Origin, Published, System
from seatrial.systems.certificate import ORIGIN_NAME, Certificate
from seatrial.systems.counters import Counted, Counters, OriginCounts, counted_between
from seatrial.systems.disturbance import Changing, Disturbable, Reconfigured, RouteHeard
from seatrial.systems.running import RunningConfiguration
from seatrial.systems.settings import Setting, require_in_force
from seatrial.topology.changed import Changed
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

    ``certified_for`` are the names of the certificate that clients see, beside the address; None is plain HTTP.
    Requests say ``any_host`` where any would do. Without
    a proxy it is the origin that they see: it is not ``proxied``. In an idle sanity cell nothing ``is_asked``: a proof
    of its routes would leave connections to the origin, which is to have none. ``tls_upstream`` is whether a proxy asks
    it over TLS. ``drained`` is whether connections and rate were at zero before anything was sent; ``settings`` are the
    system's own limits and sizes, asked for and in force.
    """

    system: System
    origin: Origin
    label: str
    any_host: str = "localhost"
    answers_with: int = 200
    delay_s: float = 0.0
    topology_plan: TopologyPlan = field(default_factory=TopologyPlan)
    topology: Topology = NOWHERE
    certified_for: tuple[str, ...] | None = None
    proxied: bool = True
    during: tuple[DisturbancePlan, ...] = ()
    is_asked: bool = True
    tls_upstream: bool = False
    endpoints: tuple[Endpoint, ...] = ()
    drained: bool = False
    settings: tuple[Setting, ...] = ()
    _before: tuple[Counters, OriginCounts] | None = None
    _upstreams: tuple[Endpoint, ...] = ()
    _run: int = 1
    _asked_from: Asker = field(default_factory=LocalAsker)
    _current: TopologyPlan = field(default_factory=TopologyPlan)
    _certificates: list[Certificate] = field(default_factory=list)
    _configured: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    _controllers: control.ControllersBefore = field(default_factory=control.ControllersBefore)

    @classmethod
    def of(cls, case: Case, system: System, origin: Origin) -> Self:
        """Return the testbed of a case, with its system and its origin; nothing of it has started."""
        options = case.system.options
        made = cls(system, origin, case.system.label, proxied=options.proxied)
        made.tls_upstream = options.asks_origin_over_tls
        delay = case.origin.delay
        made.answers_with, made.delay_s = case.origin.status, max(delay.mean_s, delay.high_s)
        made.topology_plan, made.during = case.topology, case.disturbances
        made.any_host = case.load.any_host
        made.is_asked = case.load.sends or not case.is_sanity
        if (tls := case.load.tls) is not None:
            made.certified_for = (tls.sni.removesuffix("."),) if tls.sni else ()
        return made

    @property
    def is_up(self) -> bool:
        """Whether both are ready, and what they had counted is known."""
        return self._before is not None

    @property
    def ports(self) -> dict[Role, frozenset[int]]:
        """Which ports each role listens on; without a proxy the origin is the system."""
        ports: dict[Role, frozenset[int]] = {"system": frozenset(at.port for at in self.endpoints)}
        if self.proxied:
            ports["origin"] = frozenset(at.port for at in self.topology.endpoints)
        return ports

    async def set_up(
        self, launching: Launching, drain_limit_s: float, asked_from: Asker | None = None
    ) -> None:
        """Start origin and system, wait until both are ready, and read what they have counted until then.

        That every route is live is proven from the network of the load, where ``asked_from`` is.
        """
        self._asked_from = asked_from or self._asked_from
        launch = self._certified(launching(ORIGIN, NOWHERE), is_front=not self.proxied)
        if self.tls_upstream:
            launch = _with_certificate(launch, (ORIGIN_NAME,))
        # As many as the topology has at any time: the origin's own do not change.
        plans = tuple(topologies(self.topology_plan, self.during))
        services, self._run = (
            max(plan.services_in_all for plan in plans),
            max(plan.endpoints for plan in plans),
        )
        self._upstreams = await self.origin.start(dataclasses.replace(launch, listens=services * self._run))
        self._current = self.topology_plan
        self.topology = expand(self.topology_plan, self._upstreams, self._run, self.any_host)
        launch = self._certified(launching(self.label, self.topology), is_front=self.proxied)
        self.endpoints = await self.system.start(launch)
        self.settings = await self.system.settings()
        require_in_force(self.settings)
        if self._is_proven:
            await prove(self.topology, self.endpoints, self._asking)
        self.drained = await self.system.drained(drain_limit_s)
        # Once a system has drained, its plain counters are exact.
        counters = await self.system.counters(exact=not self.drained)
        if self._is_proven:
            require_counting(counters, len(self.topology.routes) * len(self.endpoints))
        self._controllers = await control.look(self.system)
        self._before = (counters, await self.origin.counts())
        self._configured = await self.system.configuration()

    @property
    def _can_be_asked(self) -> bool:
        """Whether who asks for a route is answered soon, by a proxy."""
        return self.proxied and self.delay_s <= DELAY_MAX_S

    @property
    def _is_proven(self) -> bool:
        """Whether every route is asked before the load."""
        return self._can_be_asked and self.is_asked

    @property
    def _asking(self) -> Asking:
        """How routes are asked for."""
        asking = Asking(self.answers_with, self._asked_from, next(iter(self.certified_for or ()), None))
        if not isinstance(self.system, Published):
            return asking
        members = tuple(member.name for member in self.system.members() if member.role == "system")
        return dataclasses.replace(asking, published=self.system, members=members)

    def _certified(self, launch: Launch, *, is_front: bool) -> Launch:
        if self.certified_for is None or not is_front:
            return launch
        names = (launch.place.host, *self.certified_for)
        swaps = sum(one.do == "swap certificate" for one in self.during)
        first, *self._certificates = Certificate.issue_several(launch.directory, names, 1 + swaps)
        return dataclasses.replace(launch, certificate=first)

    async def serve(self, changed: Changed, heard: RouteHeard) -> None:
        """Have routes changed at every proxy, side by side: one by one, or by having the whole topology read anew."""
        if isinstance(self.system, Changing):
            await self.system.change_routes(changed, heard)
            return
        names = [route.name for route in changed.routes]
        topology = changed.topology()

        def hears(what: Literal["asked", "status"], place: str) -> None:
            at_s = time.monotonic()
            for name in names:
                heard(what, place, name, at_s, at_s)

        async def one(proxy: Disturbable) -> None:
            await proxy.reload(topology)
            hears("status", proxy.name)

        hears("asked", "")
        await asyncio.gather(*map(one, self.system.proxies()))

    async def said(self, limit_s: float) -> None:
        """Wait until the system says of all that was changed that it serves it; what reloads has said it by then."""
        if isinstance(self.system, Changing):
            await self.system.routes_said(limit_s)

    async def change_topology(self, changed: Callable[[TopologyPlan], TopologyPlan]) -> int:
        """Have every proxy serve another topology; return once its routes are live, others gone.

        Proxies that read it anew do so one after another; where it is objects, those that differ are changed.

        Returns how many requests that took. Raises ``SystemFault`` where a proxy does not take it.
        """
        before = expand(self._current, self._upstreams, self._run, self.any_host)
        self._current = changed(self._current)
        topology = expand(self._current, self._upstreams, self._run, self.any_host)
        if isinstance(self.system, Reconfigured):
            await self.system.change_topology(before, topology)
        for proxy in self.system.proxies():
            await proxy.reload(topology)
        if not self._can_be_asked:
            return 0
        removed = before.routes[len(topology.routes) :]
        asked = await gone(before, removed, self.endpoints, self._asking) if removed else 0
        return asked + await prove(topology, self.endpoints, self._asking)

    async def pause_endpoint(self, number: int, service: str | None, for_s: float) -> None:
        """Have an endpoint stand still for so long, the ``number``-th from 1 on, of a service or of each.

        Raises ``SystemFault`` where the origin does not do it.
        """
        names = self._current.service_names
        paused = [
            place * self._run + number - 1 for place, name in enumerate(names) if service in {None, name}
        ]
        try:
            await self.origin.pause(paused)
            await asyncio.sleep(for_s)
        finally:
            await self.origin.pause(())

    async def swap_certificate(self) -> int:
        """Have every proxy show another certificate, one after another; see ``change_topology``."""
        certificate = self._certificates.pop(0)
        if isinstance(self.system, Reconfigured):
            await self.system.change_certificate(certificate)
        for proxy in self.system.proxies():
            await proxy.reload(certificate=certificate)
        await shown(certificate, self.endpoints, self._asking)
        return 0

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
            missing=(
                *counters_before.missing,
                *counted.missing,
                *(counters.absent if counters is not None and generator_completed else ()),
                *self._not_proven(),
            ),
            uncounted=tuple(uncounted),
            reached=None
            if origin is None
            else reached(self.topology, self._upstreams, origin_before, origin),
            origin_connections=None if origin is None else _opened(origin_before, origin),
            configurations=await self._configurations(),
            settings=self.settings,
            limits_met=() if counters is None else limits_met(counters_before, counters),
            rejected=None if counters is None else rejected(counters_before, counters),
            controllers=await control.since(self.system, self._controllers),
        )
        return counts, facts

    async def _configurations(self) -> tuple[RunningConfiguration, ...]:
        """Return what each member ran before the load, and what it runs now."""
        now: Mapping[str, Mapping[str, str]] = {}
        # One that is gone does not say; that it is gone is known.
        with suppress(SeatrialError):
            now = await control.configurations(self.system)
        return tuple(
            RunningConfiguration(member, self._configured.get(member), now.get(member))
            for member in dict.fromkeys((*self._configured, *now))
        )

    def _not_proven(self) -> tuple[str, ...]:
        if not self.proxied or not self.is_asked or self._is_proven:
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


def _opened(before: OriginCounts, after: OriginCounts) -> int | None:
    if before.connections_accepted is None or after.connections_accepted is None:
        return None
    return after.connections_accepted - before.connections_accepted


def _with_certificate(launch: Launch, names: tuple[str, ...]) -> Launch:
    certificate = Certificate.issue(launch.directory, (launch.place.host, *names))
    return dataclasses.replace(launch, certificate=certificate)


async def _or_uncounted(who: str, asking: Awaitable[Count], uncounted: list[str]) -> Count | None:
    try:
        return await asking
    except SeatrialError as error:
        uncounted.append(f"{who}: {error.what}")
        return None
