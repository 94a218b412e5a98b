"""Services made from numbers: each a load balancer with listeners, a pool for each, and its members."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.openstack.cloud.resources import Kind, Resource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.openstack.cloud.cloud import Cloud
    from seatrial.openstack.cloud.projects import Directory, Project

FIRST_PORT, MEMBER_PORT = 80, 8080
_FIRST_VIP = int(ipaddress.IPv4Address("10.0.0.1"))
_FIRST_MEMBER = int(ipaddress.IPv4Address("172.16.0.1"))
VIPS_LIMIT, MEMBERS_LIMIT = 1 << 24, 1 << 20
"""Addresses of 10.0.0.0/8 and of 172.16.0.0/12, after which they begin anew."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many services there are to be, over how many projects, and of what each is made."""

    services: int
    projects: int
    listeners: int = 1
    members: int = 2

    @property
    def resources(self) -> int:
        """How many resources that is."""
        return self.services * (1 + self.listeners * (2 + self.members))


class Services:
    """Makes, changes and removes services, by number; the same calls give the same names, ids and addresses."""

    def __init__(self, cloud: Cloud, directory: Directory) -> None:
        self._cloud = cloud
        self._directory = directory
        self._made = self._members_made = 0

    def create(self, shape: Shape, project: str | None = None) -> Iterator[Resource]:
        """Make them and yield each load balancer; raises ``CloudFull``.

        They are dealt to ``project-0001`` and so on in turns, or all are of the project of a name, which is made.
        """
        numbered = [f"project-{number:04}" for number in range(1, shape.projects + 1)]
        names = numbered if project is None else [project]
        projects = [self._directory.add_project(name) for name in names]
        for number in range(shape.services):
            yield self._one(projects[number % len(projects)], shape)

    def update(self, load_balancer: Resource) -> None:
        """Change what a discovery has to carry over: the name stays, the members of the first pool have new addresses.

        A member's address is fixed in OpenStack, so the old ones go and others come.
        """
        pool = next(iter(load_balancer.of(Kind.POOL).values()), None)
        if pool is None:
            self._cloud.update(load_balancer, {"description": f"changed {self._cloud.changes.last}"})
            return
        # In this order there is always room; nobody is answered in between.
        for member in list(pool.of(Kind.MEMBER).values()):
            self._cloud.delete(member)
            self._cloud.create(Kind.MEMBER, pool.project_id, self._member(pool.name), pool)
        self._cloud.update(pool, {"description": f"changed {self._cloud.changes.last}"})

    def _one(self, project: Project, shape: Shape) -> Resource:
        number = self._made
        self._made += 1
        name = f"service-{number + 1:05}"
        vip = str(ipaddress.IPv4Address(_FIRST_VIP + number % (VIPS_LIMIT - 2)))
        load_balancer = self._cloud.create(Kind.LOAD_BALANCER, project.id, {"name": name} | vip_of(vip))
        for at in range(shape.listeners):
            port = FIRST_PORT + at
            self._port(load_balancer, f"{name}-{port}", port, shape.members)
        return load_balancer

    def _port(self, load_balancer: Resource, name: str, port: int, members: int) -> None:
        project_id = load_balancer.project_id
        written = {"name": name, "protocol": "HTTP"}
        pool = self._cloud.create(
            Kind.POOL, project_id, written | {"lb_algorithm": "ROUND_ROBIN"}, load_balancer
        )
        self._cloud.create(
            Kind.LISTENER,
            project_id,
            written | {"protocol_port": port, "default_pool_id": pool.id},
            load_balancer,
        )
        for _ in range(members):
            self._cloud.create(Kind.MEMBER, project_id, self._member(name), pool)

    def _member(self, pool_name: str) -> dict[str, Any]:
        self._members_made += 1
        address = str(ipaddress.IPv4Address(_FIRST_MEMBER + self._members_made % (MEMBERS_LIMIT - 2)))
        return {
            "name": f"{pool_name}-{self._members_made}",
            "address": address,
            "protocol_port": MEMBER_PORT,
            "subnet_id": SUBNET_ID,
        }


SUBNET_ID = "00000000-0000-4000-8000-000000000001"
NETWORK_ID = "00000000-0000-4000-8000-000000000002"
"""All is in one network with one subnet, which nobody can ask for."""


def vip_of(address: str) -> dict[str, Any]:
    """Return what a load balancer says of its address."""
    return {"vip_address": address, "vip_subnet_id": SUBNET_ID, "vip_network_id": NETWORK_ID}


def described(load_balancer: Resource, project_name: str) -> dict[str, Any]:
    """Return what a discovery is to find of a service: names, address, ports, and members by port."""
    pools = load_balancer.of(Kind.POOL)
    ports = []
    for listener in load_balancer.of(Kind.LISTENER).values():
        pool = pools.get(str(listener.attributes["default_pool_id"]))
        members = [] if pool is None else pool.of(Kind.MEMBER).values()
        ports.append(
            {
                "name": listener.name,
                "protocol": listener.attributes["protocol"],
                "port": listener.attributes["protocol_port"],
                "members": [
                    f"{member.attributes['address']}:{member.attributes['protocol_port']}"
                    for member in members
                ],
            }
        )
    return {
        "id": load_balancer.id,
        "name": load_balancer.name,
        "project": project_name,
        "project_id": load_balancer.project_id,
        "vip_address": load_balancer.attributes["vip_address"],
        "ports": ports,
    }
