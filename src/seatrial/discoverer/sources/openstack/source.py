"""Load balancers as services: a project is a namespace, a listener a port, a pool's members its endpoints.

A cycle lists load balancers, listeners and pools, each page by page. A pool's members are listed only where the pool
has others than it had: a member's address and port never change (Octavia's API has no way to do that), so ids say all.
Projects are listed again where one is not known.
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import TYPE_CHECKING, Any

from seatrial.discoverer.services import Port, Upstream
from seatrial.discoverer.sources.base import SourceFault
from seatrial.discoverer.sources.openstack.cloud import Gone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from seatrial.discoverer.services import Endpoint
    from seatrial.discoverer.sources.openstack.cloud import Cloud

CALLS_AT_ONCE = 8
_PROTOCOLS = {"UDP": "UDP", "SCTP": "SCTP"}
"""All others of Octavia's are carried over TCP."""
_Resource = dict[str, Any]


class OpenStackSource:
    """The load balancers of all projects that whoever asks may see."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._projects: dict[str, str] = {}
        self._members: dict[str, dict[str, Endpoint]] = {}
        """Those of each pool, by id."""

    async def read(self) -> list[Upstream]:
        """Return all of them. Raises ``SourceFault``."""
        try:
            return await self._read()
        except (KeyError, TypeError, ValueError) as error:
            raise SourceFault("malformed", f"the cloud's answer is not Octavia's: {error!r}") from None

    async def close(self) -> None:
        """Close its connections."""
        await self._cloud.close()

    async def _read(self) -> list[Upstream]:
        balancers = await self._list("loadbalancers")
        listeners = _by_id(await self._list("listeners"))
        await self._read_members(await self._list("pools"))
        await self._read_projects(balancers)
        return [self._service(one, listeners) for one in balancers]

    async def _list(self, plural: str) -> list[_Resource]:
        return await self._cloud.octavia(f"/{plural}", f"list_{plural}", plural)

    async def _read_projects(self, balancers: Iterable[_Resource]) -> None:
        if any(one["project_id"] not in self._projects for one in balancers):
            self._projects = await self._cloud.projects()

    async def _read_members(self, pools: Iterable[_Resource]) -> None:
        """Read members of pools that have others than are known; what was read stays, should one of them fail."""
        wanted = {str(pool["id"]): _ids(pool["members"]) for pool in pools}
        known = {pool: self._members.get(pool, {}) for pool in wanted}
        self._members = {
            pool: {one: end for one, end in known[pool].items() if one in ids} for pool, ids in wanted.items()
        }
        left = iter([pool for pool, ids in wanted.items() if not ids <= known[pool].keys()])
        faults: list[SourceFault] = []

        async def work() -> None:
            for pool in left:
                try:
                    await self._read_pool(pool)
                except SourceFault as fault:
                    faults.append(fault)
                    return

        async with asyncio.TaskGroup() as group:
            for _ in range(CALLS_AT_ONCE):
                group.create_task(work())
        if faults:
            raise faults[0]

    async def _read_pool(self, pool: str) -> None:
        try:
            found = await self._cloud.octavia(f"/pools/{pool}/members", "list_members", "members")
        except Gone:
            # It went since the pools were listed, or it seems so: of its service nothing is known until the next time.
            self._members.pop(pool, None)
            return
        self._members[pool] = {
            str(one["id"]): (_address(one["address"]), int(one["protocol_port"])) for one in found
        }

    def _service(self, balancer: _Resource, listeners: Mapping[str, _Resource]) -> Upstream:
        found = [self._port(listeners.get(one)) for one in _ids(balancer["listeners"])]
        known = [port for port in found if port is not None]
        ports = tuple(sorted(known, key=lambda one: (one.port, one.protocol)))
        namespace = self._projects.get(balancer["project_id"], str(balancer["project_id"]))
        # What was made or removed between two lists is not known whole: the next time says how it is.
        whole = ports if len(known) == len(found) else None
        return Upstream(namespace, str(balancer["name"]), whole, str(balancer["id"]))

    def _port(self, listener: _Resource | None) -> Port | None:
        """Return a listener as a port, None where not all of it is known."""
        if listener is None:
            return None
        number, protocol = int(listener["protocol_port"]), _PROTOCOLS.get(listener["protocol"], "TCP")
        name = f"port-{number}" if protocol == "TCP" else f"port-{number}-{protocol.lower()}"
        pool = listener["default_pool_id"]
        if not pool:
            return Port(name, protocol, number)
        members = self._members.get(str(pool))
        return None if members is None else Port(name, protocol, number, tuple(sorted(set(members.values()))))


def _by_id(resources: Iterable[_Resource]) -> dict[str, _Resource]:
    return {str(one["id"]): one for one in resources}


def _ids(references: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(str(one["id"]) for one in references)


def _address(text: Any) -> str:
    try:
        return str(ipaddress.ip_address(str(text)))
    except ValueError:
        raise SourceFault("list_members", f"{text!r} is no address of a member") from None
