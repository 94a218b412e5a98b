"""What stands around a discoverer in a trial: its source, the gate before its destination, and who sees what comes."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.cluster.access import open_cluster
from seatrial.cluster.connection.kubeconfig import Where
from seatrial.cluster.labels import new_run_id
from seatrial.cluster.owned import Owned
from seatrial.discovery.destination import Destination
from seatrial.discovery.facts import GATE
from seatrial.discovery.gate import Gate
from seatrial.discovery.lag import Lag
from seatrial.discovery.objects import KINDS
from seatrial.discovery.servers import servers_here
from seatrial.discovery.sources.http_list import HttpListSource
from seatrial.discovery.sources.kubernetes import KubernetesSource
from seatrial.discovery.sources.openstack import OpenStackSource
from seatrial.errors import SeatrialError
from seatrial.systems.discovering import Wiring

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from seatrial.cluster.client import Client
    from seatrial.discovery.sources.base import Source
    from seatrial.machine.members import Member
    from seatrial.machine.processes.changes import ChangeLog
    from seatrial.plan.model.discovery import DiscoveryPlan
    from seatrial.systems.discovering import Discovering

STORM = "storm"
BEACONS = "beacons"


@dataclass(slots=True)
class Apparatus:
    """Made by ``start``, and put back by ``close``; ``namespaces`` are those of the services that are there at first.

    What follows something in the background is in ``following``; the first of them that fails is raised by ``check``.
    """

    plan: DiscoveryPlan
    system: Discovering
    where: Where
    changes: ChangeLog
    seed: int
    on_seen: Callable[[str, float], None]
    run_id: str = field(default_factory=lambda: new_run_id("discovery"))
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _following: list[asyncio.Task[Any]] = field(default_factory=list)
    _source: Source | None = None
    _gate: Gate | None = None
    _destination: Destination | None = None
    _lag: Lag | None = None
    _server: str = ""
    _clients: list[Client] = field(default_factory=list)

    @property
    def source(self) -> Source:
        """Where the services are; once it has started."""
        assert self._source is not None
        return self._source

    @property
    def gate(self) -> Gate:
        """What the discoverer is led through."""
        assert self._gate is not None
        return self._gate

    @property
    def destination(self) -> Destination:
        """Who sees what it makes."""
        assert self._destination is not None
        return self._destination

    @property
    def lag(self) -> Lag:
        """Who knows how late that is seen."""
        assert self._lag is not None
        return self._lag

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Where the services are that are there at first."""
        return tuple(self._name(f"{number:04}") for number in range(1, self.plan.namespaces + 1))

    @property
    def storm(self) -> str:
        """Where the services are that are all deleted at once."""
        return self._name(STORM)

    @property
    def wiring(self) -> Wiring:
        """What the discoverer is given; the backend's name is this trial's own, so that no two discoverers fight."""
        return Wiring(self.plan.source, self.source.wiring(), Path(self.gate.kubeconfig), self.run_id)

    async def start(self) -> None:
        """Open the clusters, start the source and the gate, and look at the destination. Raises ``SeatrialError``."""
        client = await self._stack.enter_async_context(open_cluster(self.where))
        spaces = (*self.namespaces, *((self.storm,) if self.plan.storm else ()))
        self._clients.append(client)
        self._server = str(client.reference["server"])
        owned = Owned(client, self.run_id, self.changes)
        self._stack.push_async_callback(self._send_off, owned, (*spaces, self._name(BEACONS)))
        await owned.namespace(self._name(BEACONS))
        for name in spaces:
            await owned.namespace(name)
        self._gate = await Gate.start(GATE, client)
        self._stack.push_async_callback(self._gate.close)
        self._source = await self._made_source()
        self._stack.push_async_callback(self._source.close)
        await self._source.start(spaces)
        counted = (*spaces, self._name(BEACONS))
        self._destination = Destination(client, self.system.replicas, counted, self.on_seen)
        self.follow(self._destination.run())
        await self._until_listed()
        self._lag = Lag(client, self._destination, self._name(BEACONS), self.system.replicas)
        await self._lag.first()
        self.follow(self._lag.run())

    def follow(self, what: Coroutine[Any, Any, Any]) -> None:
        """Have something go on in the background until this is closed."""
        self._following.append(asyncio.create_task(what))

    def check(self) -> None:
        """Raise what ended one of those that should go on."""
        for one in self._following:
            if one.done() and not one.cancelled() and (error := one.exception()) is not None:
                raise error

    def members(self) -> tuple[Member, ...]:
        """Return the programs of Seatrial that are there for it, and API servers of this machine."""
        return (*self.gate.members(), *self.source.members(), *servers_here(self._clients))

    async def close(self) -> None:
        """End what was started, and remove what was made."""
        for one in self._following:
            one.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)
        await self._stack.aclose()

    async def _until_listed(self) -> None:
        listed = asyncio.ensure_future(self.destination.listed())
        try:
            await asyncio.wait([listed, *self._following], return_when=asyncio.FIRST_COMPLETED)
            self.check()
        finally:
            listed.cancel()

    async def _made_source(self) -> Source:
        plan = self.plan
        if plan.source == "openstack":
            return OpenStackSource(plan.endpoints, plan.cloud, self.seed)
        if plan.source == "http":
            return HttpListSource(plan.endpoints)
        where = Where(self.where.kubeconfig, plan.source_context)
        client: Client = await self._stack.enter_async_context(open_cluster(where))
        self._clients.append(client)
        is_same = client.reference["server"] == self._server
        owned = None if is_same else Owned(client, self.run_id, self.changes)
        gate = await Gate.start("gate of the source", client)
        return KubernetesSource(client, owned, gate, self.system.reads, plan.endpoints)

    async def _send_off(self, owned: Owned, namespaces: tuple[str, ...]) -> None:
        # It stays written down where it cannot be done, and nothing that was measured is lost for it.
        with suppress(SeatrialError):
            await owned.send_off(KINDS, namespaces)

    def _name(self, what: str) -> str:
        return f"{self.run_id}-{what}"
