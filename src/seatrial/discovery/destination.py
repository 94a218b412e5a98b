"""Who sees what a discoverer makes of the source: the objects of the destination, by the addresses that they have.

Each service of the source has addresses that no other has, and others after each change. So it does not matter what a
discoverer calls its objects: a service is replicated once the endpoints of one Service have the addresses that it has
at the source now, and no others.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.cluster.watch import Change, Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from seatrial.cluster.client import Client
    from seatrial.systems.discovering import ReplicaKind

PATHS: Mapping[ReplicaKind, str] = {
    "endpointslices": "/apis/discovery.k8s.io/v1/endpointslices",
    "endpoints": "/api/v1/endpoints",
}
SERVICES = "/api/v1/services"
SERVICE_NAME = "kubernetes.io/service-name"
Key = tuple[str, str]
"""A namespace and a name."""


@dataclass(slots=True)
class _Wanted:
    """What a service should come to: ``addresses`` of now, none where it is deleted, of all that it ever had.

    ``under`` are the Services that it was seen under.
    """

    addresses: frozenset[str] = frozenset()
    known: set[str] = field(default_factory=set)
    under: set[Key] = field(default_factory=set)
    is_so: bool = False


@dataclass(slots=True)
class _Wait:
    names: frozenset[str]
    left: set[str]
    over: asyncio.Event


class Destination:
    """Follows Services and endpoints in all namespaces; ``on_seen`` hears of each service that is as wanted, and when.

    ``changes`` counts what was seen to change of replicas. ``missed`` is how often a list had to be read anew: what
    changed meanwhile was seen later than it could have been.
    """

    def __init__(self, client: Client, kind: ReplicaKind, on_seen: Callable[[str, float], None]) -> None:
        self.changes = 0
        self.missed = 0
        self._watches = (Watch(client, SERVICES), Watch(client, PATHS[kind]))
        self._on_seen = on_seen
        self._wanted: dict[str, _Wanted] = {}
        self._whose: dict[str, str] = {}
        self._services: set[Key] = set()
        self._objects: dict[Key, tuple[Key, frozenset[str]]] = {}
        self._under: defaultdict[Key, dict[Key, frozenset[str]]] = defaultdict(dict)
        self._of_service: defaultdict[Key, set[str]] = defaultdict(set)
        self._there: Counter[str] = Counter()
        self._beacons: dict[str, asyncio.Future[float]] = {}
        self._listed = (asyncio.Event(), asyncio.Event())
        self._waits: list[_Wait] = []

    async def run(self) -> None:
        """Follow them until it is called off; raises ``ClusterFault`` where that is no longer possible."""
        takes = (self._take_service, self._take_endpoints)
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

    def want(self, name: str, addresses: Iterable[str]) -> None:
        """Have a service of the source be as it is now; without addresses it should be gone."""
        wanted = self._wanted.setdefault(name, _Wanted())
        wanted.addresses = frozenset(addresses)
        wanted.known |= wanted.addresses
        self._whose |= dict.fromkeys(wanted.addresses, name)
        wanted.is_so = False
        self._judge(name, time.monotonic())

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

    def beacon(self, address: str) -> asyncio.Future[float]:
        """Return what will hold when an object with this address was seen (CLOCK_MONOTONIC seconds)."""
        future = self._beacons[address] = asyncio.get_running_loop().create_future()
        return future

    async def _follow(
        self, watch: Watch, listed: asyncio.Event, take: Callable[[Change], Iterable[str]]
    ) -> None:
        async for change in watch.changes():
            if isinstance(change, Change):
                touched = list(take(change))
                self.changes += bool(touched) and listed.is_set()
                for name in touched:
                    self._judge(name, change.seen_s)
            else:
                listed.set()
                self.missed += bool(change.because)

    def _take_service(self, change: Change) -> Iterable[str]:
        key = _key(change.object)
        if change.kind == "deleted":
            self._services.discard(key)
        else:
            self._services.add(key)
        return tuple(self._of_service.get(key, ()))

    def _take_endpoints(self, change: Change) -> Iterable[str]:
        at = _key(change.object)
        touched: set[str] = set()
        if (old := self._objects.pop(at, None)) is not None:
            service, addresses = old
            del self._under[service][at]
            self._there.subtract(addresses)
            touched |= self._names(addresses)
        if change.kind != "deleted":
            service, addresses = _service_of(change.object), _addresses(change.object)
            self._objects[at] = service, addresses
            self._under[service][at] = addresses
            self._there.update(addresses)
            for name in self._names(addresses):
                self._wanted[name].under.add(service)
                self._of_service[service].add(name)
                touched.add(name)
            for address in addresses & self._beacons.keys():
                if not (beacon := self._beacons.pop(address)).done():
                    beacon.set_result(change.seen_s)
        return touched

    def _names(self, addresses: Iterable[str]) -> set[str]:
        return {self._whose[one] for one in addresses if one in self._whose}

    def _judge(self, name: str, seen_s: float) -> None:
        wanted = self._wanted[name]
        was_so, wanted.is_so = wanted.is_so, self._is_so(name)
        if was_so == wanted.is_so:
            return
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
        if not wanted.addresses:
            return not wanted.under & self._services and not any(self._there[one] > 0 for one in wanted.known)
        return any(
            service in self._services
            and frozenset[str]().union(*self._under[service].values()) == wanted.addresses
            for service in wanted.under
        )


def _key(one: Mapping[str, Any]) -> Key:
    metadata = one["metadata"]
    return str(metadata.get("namespace") or ""), str(metadata["name"])


def _service_of(one: Mapping[str, Any]) -> Key:
    """Return the Service that endpoints are of: Endpoints have its name, an EndpointSlice has it in a label."""
    namespace, name = _key(one)
    return namespace, str((one["metadata"].get("labels") or {}).get(SERVICE_NAME, name))


def _addresses(one: Mapping[str, Any]) -> frozenset[str]:
    """Return the addresses of an EndpointSlice or of Endpoints, ready or not."""
    subsets = one.get("subsets") or ()
    found = [
        address["ip"]
        for subset in subsets
        for part in ("addresses", "notReadyAddresses")
        for address in subset.get(part) or ()
    ]
    found += [address for endpoint in one.get("endpoints") or () for address in endpoint["addresses"]]
    return frozenset(found)
