"""The kinds of things that hang on a load balancer, and what a client may write of each.

Source: the Octavia API reference v2 and the Neutron LBaaS v2 API, which have the same resources; attributes that only
Octavia has are not shown in answers of Neutron.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

ACTIVE = "ACTIVE"
PENDING_CREATE = "PENDING_CREATE"
PENDING_UPDATE = "PENDING_UPDATE"
PENDING_DELETE = "PENDING_DELETE"


class Kind(StrEnum):
    """What there is; the value is the key of one in a body."""

    LOAD_BALANCER = "loadbalancer"
    LISTENER = "listener"
    POOL = "pool"
    MEMBER = "member"
    HEALTH_MONITOR = "healthmonitor"

    @property
    def plural(self) -> str:
        """The key of several in a body, and their part of a path."""
        return f"{self.value}s"

    @property
    def noun(self) -> str:
        """The name in messages of OpenStack."""
        return _TITLES[self]


_TITLES = {
    Kind.LOAD_BALANCER: "Load Balancer",
    Kind.LISTENER: "Listener",
    Kind.POOL: "Pool",
    Kind.MEMBER: "Member",
    Kind.HEALTH_MONITOR: "Health Monitor",
}


@dataclass(frozen=True, slots=True)
class Attribute:
    """What a client may write: of which type, what it is without, whether it is needed and may change later."""

    type: type
    default: Any = None
    is_required: bool = False
    is_fixed: bool = False
    words: tuple[str, ...] = ()
    only_octavia: bool = False


def _required(kind: type, *words: str) -> Attribute:
    return Attribute(kind, is_required=True, is_fixed=True, words=words)


_NAME = Attribute(str, "")
_UP = Attribute(bool, default=True)
_TAGS = Attribute(list, (), only_octavia=True)
_COMMON = {"name": _NAME, "description": Attribute(str, ""), "admin_state_up": _UP, "tags": _TAGS}
_OCTAVIA_TEXT = Attribute(str, only_octavia=True)
_PROTOCOLS = ("TCP", "HTTP", "HTTPS", "TERMINATED_HTTPS", "UDP", "SCTP", "PROMETHEUS")

ATTRIBUTES: dict[Kind, dict[str, Attribute]] = {
    Kind.LOAD_BALANCER: _COMMON
    | {
        "vip_address": Attribute(str, is_fixed=True),
        "vip_subnet_id": Attribute(str, is_fixed=True),
        "vip_port_id": Attribute(str, is_fixed=True),
        "vip_network_id": Attribute(str, is_fixed=True, only_octavia=True),
        "vip_qos_policy_id": _OCTAVIA_TEXT,
        "provider": Attribute(str, "octavia", is_fixed=True),
        "flavor_id": Attribute(str, is_fixed=True, only_octavia=True),
        "availability_zone": Attribute(str, is_fixed=True, only_octavia=True),
    },
    Kind.LISTENER: _COMMON
    | {
        "protocol": _required(str, *_PROTOCOLS),
        "protocol_port": _required(int),
        "connection_limit": Attribute(int, -1),
        "default_pool_id": Attribute(str),
        "default_tls_container_ref": Attribute(str),
        "sni_container_refs": Attribute(list, ()),
        "insert_headers": Attribute(dict, only_octavia=True),
        "timeout_client_data": Attribute(int, 50_000, only_octavia=True),
        "timeout_member_connect": Attribute(int, 5_000, only_octavia=True),
        "timeout_member_data": Attribute(int, 50_000, only_octavia=True),
        "timeout_tcp_inspect": Attribute(int, 0, only_octavia=True),
        "allowed_cidrs": Attribute(list, only_octavia=True),
    },
    Kind.POOL: _COMMON
    | {
        "protocol": _required(str, *_PROTOCOLS, "PROXY"),
        "lb_algorithm": Attribute(
            str, is_required=True, words=("ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT")
        ),
        "session_persistence": Attribute(dict),
        "tls_enabled": Attribute(bool, default=False, only_octavia=True),
    },
    Kind.MEMBER: {
        "name": _NAME,
        "admin_state_up": _UP,
        "tags": _TAGS,
        "address": _required(str),
        "protocol_port": _required(int),
        "weight": Attribute(int, 1),
        "subnet_id": Attribute(str, is_fixed=True),
        "backup": Attribute(bool, default=False, only_octavia=True),
        "monitor_address": _OCTAVIA_TEXT,
        "monitor_port": Attribute(int, only_octavia=True),
    },
    Kind.HEALTH_MONITOR: {
        "name": _NAME,
        "admin_state_up": _UP,
        "tags": _TAGS,
        "type": _required(str, "HTTP", "HTTPS", "PING", "TCP", "TLS-HELLO", "UDP-CONNECT", "SCTP"),
        "delay": Attribute(int, is_required=True),
        "timeout": Attribute(int, is_required=True),
        "max_retries": Attribute(int, is_required=True),
        "max_retries_down": Attribute(int, 3, only_octavia=True),
        "http_method": Attribute(str, "GET"),
        "url_path": Attribute(str, "/"),
        "expected_codes": Attribute(str, "200"),
    },
}


@dataclass(slots=True, eq=False)
class Resource:
    """One thing. ``load_balancer`` is the one that it hangs on, itself for a load balancer; ``pool`` is a member's.

    ``children`` are those that would go with it, by kind and id. ``version`` is a load balancer's: it grows with each
    change of anything that hangs on it. ``shown`` keeps what the APIs made of it, with the version that this was of.
    """

    kind: Kind
    id: str
    project_id: str
    attributes: dict[str, Any]
    created_ns: int
    status: str = ACTIVE
    updated_ns: int | None = None
    parent: Resource | None = None
    children: dict[Kind, dict[str, Resource]] = field(default_factory=dict)
    version: int = 0
    shown: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    @property
    def load_balancer(self) -> Resource:
        """The load balancer that it hangs on."""
        return self if self.parent is None else self.parent.load_balancer

    def of(self, kind: Kind) -> dict[str, Resource]:
        """Return what hangs on it directly, by id."""
        return self.children.get(kind, {})

    def with_descendants(self) -> list[Resource]:
        """Return it and all that hangs on it, itself first."""
        found = [self]
        for of_kind in self.children.values():
            for child in of_kind.values():
                found += child.with_descendants()
        return found

    @property
    def name(self) -> str:
        """Its name, which may be empty and need not be unique."""
        return str(self.attributes["name"])


def defaults(kind: Kind) -> dict[str, Any]:
    """Return every attribute of a kind with what it is where nothing was given."""
    return {name: default_of(attribute) for name, attribute in ATTRIBUTES[kind].items()}


def default_of(attribute: Attribute) -> Any:
    """Return what an attribute is where nothing was given; a list is a new one."""
    return list(attribute.default) if isinstance(attribute.default, tuple) else attribute.default
