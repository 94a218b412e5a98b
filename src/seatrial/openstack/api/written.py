"""What a client writes into a resource, held against what may be written."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from seatrial.openstack.api.answers import Face, Refused
from seatrial.openstack.cloud.resources import ATTRIBUTES, Attribute, Kind, default_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

PARENTS = {
    Kind.LOAD_BALANCER: ("project_id", "tenant_id"),
    Kind.LISTENER: ("project_id", "tenant_id", "loadbalancer_id"),
    Kind.POOL: ("project_id", "tenant_id", "loadbalancer_id", "listener_id"),
    Kind.MEMBER: ("project_id", "tenant_id"),
    Kind.HEALTH_MONITOR: ("project_id", "tenant_id", "pool_id"),
}
"""What a body may say of where a new one belongs."""
TEXT_LIMIT = 255
"""Characters, as both services have it."""
_PORTS = {"protocol_port", "monitor_port"}
_ADDRESSES = {"address", "vip_address", "monitor_address"}


def content_of(body: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """Return what a body says of its one resource; raises ``Refused``."""
    content = body.get(kind.value)
    if not isinstance(content, dict):
        raise Refused(400, f'Missing argument: "{kind.value}"', "HTTPBadRequest")
    return content


def created(content: Mapping[str, Any], kind: Kind, face: Face) -> dict[str, Any]:
    """Return the attributes of a new resource; raises ``Refused`` for what is missing, unknown or of no such value."""
    known = ATTRIBUTES[kind]
    missing = [
        name for name, attribute in known.items() if attribute.is_required and content.get(name) is None
    ]
    if missing:
        raise _invalid(face, missing[0], "None", "Mandatory field missing.")
    attributes = {name: value for name, value in content.items() if name not in PARENTS[kind]}
    return _checked(attributes, face, known)


def updated(content: Mapping[str, Any], kind: Kind, face: Face) -> dict[str, Any]:
    """Return the attributes that are to change; raises ``Refused``."""
    changeable = {name: attribute for name, attribute in ATTRIBUTES[kind].items() if not attribute.is_fixed}
    return _checked(dict(content), face, changeable)


def _checked(attributes: dict[str, Any], face: Face, known: Mapping[str, Attribute]) -> dict[str, Any]:
    visible = {
        name for name, attribute in known.items() if face is Face.OCTAVIA or not attribute.only_octavia
    }
    for name, value in attributes.items():
        if name not in visible:
            raise _unknown(face, name, visible)
        if value is not None:
            _check(name, value, known[name], face)
        elif known[name].is_required:
            raise _invalid(face, name, "None", "Mandatory field missing.")
    return {name: default_of(known[name]) if value is None else value for name, value in attributes.items()}


def _check(name: str, value: Any, attribute: Attribute, face: Face) -> None:
    is_no_number = isinstance(value, bool) and attribute.type is not bool
    if not isinstance(value, attribute.type) or is_no_number:
        raise _invalid(face, name, value, f"Wrong type. Expected '{attribute.type.__name__}'.")
    if isinstance(value, str) and len(value) > TEXT_LIMIT:
        raise _invalid(
            face, name, value[:40], f"Value should have a maximum character requirement of {TEXT_LIMIT}"
        )
    if attribute.words and value not in attribute.words:
        raise _invalid(face, name, value, f"Value should be one of: {', '.join(attribute.words)}")
    if name in _PORTS and isinstance(value, int) and not 1 <= value <= 65_535:
        raise _invalid(face, name, value, "Value should be between 1 and 65535.")
    if name in _ADDRESSES:
        try:
            ipaddress.ip_address(str(value))
        except ValueError:
            raise _invalid(face, name, value, "Value should be IPv4 or IPv6 format.") from None


def _unknown(face: Face, name: str, known: Collection[str]) -> Refused:
    if face is Face.NEUTRON:
        return Refused(400, f"Attribute(s) {name} not allowed or not recognized", "HTTPBadRequest")
    return Refused(400, f"Unknown attribute for argument: {name}; it has {', '.join(sorted(known))}")


def _invalid(face: Face, name: str, value: Any, why: str) -> Refused:
    if face is Face.NEUTRON:
        return Refused(400, f"Invalid input for {name}. Reason: {why}", "HTTPBadRequest")
    return Refused(400, f"Invalid input for field/attribute {name}. Value: '{value}'. {why}")
