"""Where a new resource belongs, and whether there is room for it there."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.openstack.api.answers import Face, Refused
from seatrial.openstack.api.rights import project_for, require_mutable, visible
from seatrial.openstack.cloud.resources import Kind, Resource
from seatrial.openstack.cloud.services import NETWORK_ID, SUBNET_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.openstack.cloud.cloud import Cloud
    from seatrial.openstack.cloud.tokens import Token

_VIPS = ("vip_port_id", "vip_network_id", "vip_subnet_id")
_FIRST_ADDRESS, _ADDRESSES = ipaddress.IPv4Address("10.128.0.1"), 1 << 22
"""For those that ask for none: far from those of services made from numbers."""


@dataclass(frozen=True, slots=True)
class Placing:
    """Finds the project and the parent of what a caller creates."""

    cloud: Cloud
    token: Token
    face: Face

    def place(
        self, kind: Kind, content: Mapping[str, Any], attributes: dict[str, Any], pool_id: str | None
    ) -> tuple[str, Resource | None]:
        """Return both, and complete the attributes; raises ``Refused``."""
        if kind is Kind.LOAD_BALANCER:
            return self._load_balancer(content, attributes), None
        parent = self._parent(kind, content, pool_id)
        require_mutable(parent, self.face)
        if kind is Kind.LISTENER:
            self._listener(parent, attributes)
        elif kind is Kind.MEMBER:
            self._member(parent, attributes)
        elif kind is Kind.HEALTH_MONITOR and parent.of(kind):
            raise self._conflict("This pool already has a health monitor", "OneHealthMonitorPerPool")
        return parent.project_id, parent

    def default_pool(self, load_balancer: Resource, pool_id: object) -> Resource:
        """Return the pool that a listener of a load balancer names; raises ``Refused``."""
        pool = visible(self.cloud, Kind.POOL, str(pool_id), self.token, self.face)
        if pool.load_balancer is not load_balancer:
            raise Refused(
                400, f"Validation failure: Pool {pool.id} is of another load balancer.", "BadRequest"
            )
        return pool

    def _load_balancer(self, content: Mapping[str, Any], attributes: dict[str, Any]) -> str:
        if not any(content.get(name) for name in _VIPS):
            if self.face is Face.NEUTRON:
                raise Refused(
                    400,
                    "Failed to parse request. Required attribute 'vip_subnet_id' not specified",
                    "HTTPBadRequest",
                )
            raise Refused(400, f"Validation failure: VIP must contain one of: {', '.join(_VIPS)}.")
        if not attributes.get("vip_address"):
            attributes["vip_address"] = str(_FIRST_ADDRESS + self.cloud.changes.last % _ADDRESSES)
        attributes.setdefault("vip_subnet_id", SUBNET_ID)
        attributes.setdefault("vip_network_id", NETWORK_ID)
        asked = content.get("project_id") or content.get("tenant_id")
        return project_for(self.token, None if asked is None else str(asked))

    def _parent(self, kind: Kind, content: Mapping[str, Any], pool_id: str | None) -> Resource:
        if kind is Kind.MEMBER:
            return self._visible(Kind.POOL, pool_id)
        if kind is Kind.HEALTH_MONITOR:
            return self._visible(Kind.POOL, content.get("pool_id"))
        if kind is Kind.POOL and content.get("listener_id"):
            listener = self._visible(Kind.LISTENER, content["listener_id"])
            if listener.attributes["default_pool_id"]:
                raise self._conflict("This listener already has a default pool", "OnePoolPerListener")
            return listener.load_balancer
        return self._visible(Kind.LOAD_BALANCER, content.get("loadbalancer_id"))

    def _visible(self, kind: Kind, identity: object) -> Resource:
        if not identity:
            raise Refused(400, f"Validation failure: Missing {kind.value}_id.", "HTTPBadRequest")
        return visible(self.cloud, kind, str(identity), self.token, self.face)

    def _listener(self, load_balancer: Resource, attributes: Mapping[str, Any]) -> None:
        port = attributes["protocol_port"]
        if any(one.attributes["protocol_port"] == port for one in load_balancer.of(Kind.LISTENER).values()):
            raise self._conflict(
                f"Another Listener on this Load Balancer is already using protocol_port {port}",
                "LoadBalancerListenerProtocolPortExists",
            )
        if attributes.get("default_pool_id"):
            self.default_pool(load_balancer, attributes["default_pool_id"])

    def _member(self, pool: Resource, attributes: Mapping[str, Any]) -> None:
        place = attributes["address"], attributes["protocol_port"]
        if any(
            (one.attributes["address"], one.attributes["protocol_port"]) == place
            for one in pool.of(Kind.MEMBER).values()
        ):
            raise self._conflict(
                f"Another member on this pool is already using ip {place[0]} on protocol_port {place[1]}",
                "MemberExists",
            )

    def _conflict(self, text: str, reason: str) -> Refused:
        return Refused(409, text, reason)
