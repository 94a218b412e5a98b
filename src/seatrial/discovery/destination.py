"""Who sees what a discoverer makes of the source: the objects of the destination, by the endpoints that they have.

Each service of the source has endpoints that no other has, and others after each change. So it does not matter what a
discoverer calls its objects: a service is replicated once one Service of its namespace, and no other, has the endpoints
that it has at the source now, and no others, behind the ports that it has there.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.cluster.labels import SERVICE_NAME
from seatrial.cluster.watch import Change, Watch
from seatrial.discovery.objects import path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from seatrial.cluster.client import Client
    from seatrial.discovery.sources.base import Service
    from seatrial.systems.discovering import ReplicaKind

Key = tuple[str, str]
"""A namespace and a name."""


@dataclass(slots=True)
class _Wanted:
    """What a service should come to: ``endpoints`` of now, none where it is deleted, of all that it ever had.

    ``under`` are the Services that it was seen under; while it ``is_changing``, nobody knows yet what it should be.
    """

    namespace: str
    endpoints: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset()
    known: set[str] = field(default_factory=set)
    under: set[Key] = field(default_factory=set)
    is_so: bool = False
    is_changing: bool = False


@dataclass(slots=True)
class _Wait:
    names: frozenset[str]
    left: set[str]
    over: asyncio.Event


class Destination:
    """Follows Services and endpoints; ``on_seen`` hears of each service that is as wanted, and when.

    Only ``namespaces`` count: those of others may have the same addresses, another run's first of all. ``changes``
    counts what was seen to change of replicas, ``relapses`` how often a service was as wanted, and then was not, though
    nobody wanted anything else. ``missed`` is how often a list had to be read anew: what changed meanwhile was seen
    later than it could have been.
    """

    def __init__(
        self,
        client: Client,
        kind: ReplicaKind,
        namespaces: Collection[str],
        on_seen: Callable[[str, float], None],
    ) -> None:
        self.changes = 0
        self.relapses = 0
        self.missed = 0
        self._namespaces = frozenset(namespaces)
        self._watches = (Watch(client, path_of("services")), Watch(client, path_of(kind)))
        self._on_seen = on_seen
        self._wanted: dict[str, _Wanted] = {}
        self._whose: dict[str, str] = {}
        self._services: dict[Key, frozenset[int]] = {}
        self._objects: dict[Key, tuple[Key, frozenset[str]]] = {}
        self._under: defaultdict[Key, dict[Key, frozenset[str]]] = defaultdict(dict)
        self._of_service: defaultdict[Key, set[str]] = defaultdict(set)
        self._holding: defaultdict[str, set[Key]] = defaultdict(set)
        self._changed_s: dict[Key, float] = {}
        self._beacons: dict[str, asyncio.Future[float]] = {}
        self._listed = (asyncio.Event(), asyncio.Event())
        self._waits: list[_Wait] = []

    async def run(self) -> None:
        """Follow them until it is called off; raises ``ClusterFault`` where that is no longer possible."""
        takes = (self.take_service, self.take_endpoints)
        following = [
            asyncio.ensure_future(self._follow(*one))
            for one in zip(self._watches, self._listed, takes, strict=True)
        ]
        try:
            await asyncio.gather(*following)
        finally:
            for one in following:
                one.cancel()

    async def listed(self) -> None:
        """Wait until all that there is is known."""
        await asyncio.gather(*(one.wait() for one in self._listed))

    def changing(self, names: Iterable[str]) -> None:
        """Take that these are about to change at the source: nothing is a relapse until they are wanted anew."""
        for name in names:
            self._wanted[name].is_changing = True

    def want(self, service: Service) -> None:
        """Have a service of the source be as it is now; without endpoints it should be gone."""
        name = service.subject
        wanted = self._wanted.setdefault(name, _Wanted(service.namespace))
        wanted.endpoints, wanted.ports = service.endpoints, service.ports
        wanted.known |= wanted.endpoints
        self._whose |= dict.fromkeys(wanted.endpoints, name)
        # A discoverer may be there before the source has answered who made it so.
        for at in {at for one in wanted.endpoints for at in self._holding.get(one, ())}:
            self._belongs(name, self._objects[at][0])
        wanted.is_so = wanted.is_changing = False
        self._judge(name, self._last_changed_s(wanted))

    def missing(self, names: Iterable[str] | None = None) -> list[str]:
        """Return those of these, of all without, that are not as they should be at this moment."""
        return [name for name in (self._wanted if names is None else names) if not self._is_so(name)]

    async def until(self, names: Collection[str], limit_s: float) -> list[str]:
        """Wait until each is as it should be, ``limit_s`` at most; return those that are not."""
        wait = _Wait(frozenset(names), set(self.missing(names)), asyncio.Event())
        if wait.left:
            self._waits.append(wait)
            try:
                async with asyncio.timeout(limit_s):
                    await wait.over.wait()
            except TimeoutError:
                pass
            finally:
                self._waits.remove(wait)
        return self.missing(names)

    def beacon(self, endpoint: str) -> asyncio.Future[float]:
        """Return what will hold when an object with this endpoint was seen (CLOCK_MONOTONIC seconds)."""
        future = self._beacons[endpoint] = asyncio.get_running_loop().create_future()
        return future

    def take_service(self, change: Change) -> bool:
        """Take what the watch of Services has shown; return whether it is of a service that was ever there."""
        return self._judged(change, self._service)

    def take_endpoints(self, change: Change) -> bool:
        """Take what the watch of endpoints has shown; return the same."""
        return self._judged(change, self._endpoints)

    async def _follow(self, watch: Watch, listed: asyncio.Event, take: Callable[[Change], bool]) -> None:
        async for change in watch.changes():
            if isinstance(change, Change):
                self.changes += take(change) and listed.is_set()
            else:
                listed.set()
                self.missed += bool(change.because)

    def _judged(self, change: Change, touched_by: Callable[[Change], Collection[str]]) -> bool:
        if _key(change.object)[0] not in self._namespaces:
            return False
        touched = touched_by(change)
        for name in touched:
            self._judge(name, change.seen_s)
        return bool(touched)

    def _service(self, change: Change) -> Collection[str]:
        key = _key(change.object)
        if change.kind == "deleted":
            self._services.pop(key, None)
        else:
            self._services[key] = _ports(change.object)
        self._changed_s[key] = change.seen_s
        return tuple(self._of_service.get(key, ()))

    def _endpoints(self, change: Change) -> Collection[str]:
        at = _key(change.object)
        touched: set[str] = set()
        if (old := self._objects.pop(at, None)) is not None:
            service, endpoints = old
            del self._under[service][at]
            self._changed_s[service] = change.seen_s
            for endpoint in endpoints:
                self._holding[endpoint].discard(at)
            touched |= self._names(endpoints)
        if change.kind != "deleted":
            service, endpoints = _service_of(change.object), _endpoints(change.object)
            self._objects[at] = service, endpoints
            self._under[service][at] = endpoints
            self._changed_s[service] = change.seen_s
            for endpoint in endpoints:
                self._holding[endpoint].add(at)
            for name in self._names(endpoints):
                self._belongs(name, service)
                touched.add(name)
            for endpoint in endpoints & self._beacons.keys():
                if not (beacon := self._beacons.pop(endpoint)).done():
                    beacon.set_result(change.seen_s)
        return touched

    def _belongs(self, name: str, service: Key) -> None:
        self._wanted[name].under.add(service)
        self._of_service[service].add(name)

    def _last_changed_s(self, wanted: _Wanted) -> float:
        moments = [self._changed_s[one] for one in wanted.under if one in self._changed_s]
        return max(moments, default=time.monotonic())

    def _names(self, endpoints: Iterable[str]) -> set[str]:
        return {self._whose[one] for one in endpoints if one in self._whose}

    def _judge(self, name: str, seen_s: float) -> None:
        wanted = self._wanted[name]
        was_so, wanted.is_so = wanted.is_so, self._is_so(name)
        if was_so == wanted.is_so:
            return
        self.relapses += was_so and not wanted.is_changing
        if wanted.is_so:
            self._on_seen(name, seen_s)
        for wait in self._waits:
            if wanted.is_so:
                wait.left.discard(name)
            elif name in wait.names:
                wait.left.add(name)
            if not wait.left:
                wait.over.set()

    def _is_so(self, name: str) -> bool:
        wanted = self._wanted[name]
        if not wanted.endpoints:
            there = self._services.keys() & wanted.under
            return not there and not any(self._holding.get(one) for one in wanted.known)
        # What is there twice, under two names, is not as the source has it.
        found = [(one, held) for one in wanted.under if (held := self._held(one)) & wanted.known]
        return len(found) == 1 and self._matches(wanted, *found[0])

    def _matches(self, wanted: _Wanted, service: Key, held: frozenset[str]) -> bool:
        is_there = self._services.get(service) == wanted.ports and service[0] == wanted.namespace
        return is_there and held == wanted.endpoints

    def _held(self, service: Key) -> frozenset[str]:
        return frozenset[str]().union(*self._under[service].values())


def _key(one: Mapping[str, Any]) -> Key:
    metadata = one["metadata"]
    return str(metadata.get("namespace") or ""), str(metadata["name"])


def _service_of(one: Mapping[str, Any]) -> Key:
    """Return the Service that endpoints are of: Endpoints have its name, an EndpointSlice has it in a label."""
    namespace, name = _key(one)
    return namespace, str((one["metadata"].get("labels") or {}).get(SERVICE_NAME, name))


def _ports(service: Mapping[str, Any]) -> frozenset[int]:
    return frozenset(port["port"] for port in (service.get("spec") or {}).get("ports") or ())


def _endpoints(one: Mapping[str, Any]) -> frozenset[str]:
    """Return the endpoints of an EndpointSlice or of Endpoints as ``address:port``, ready or not."""
    found: list[tuple[str, Any]] = []
    for subset in one.get("subsets") or ():
        addresses = (*(subset.get("addresses") or ()), *(subset.get("notReadyAddresses") or ()))
        found += [(address["ip"], subset) for address in addresses]
    for endpoint in one.get("endpoints") or ():
        found += [(address, one) for address in endpoint["addresses"]]
    return frozenset(
        f"{address}:{port.get('port')}" for address, part in found for port in part.get("ports") or ()
    )
