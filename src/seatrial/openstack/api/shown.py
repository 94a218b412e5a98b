"""A resource as the two services show it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from seatrial.openstack.api.answers import Face
from seatrial.openstack.cloud.resources import ATTRIBUTES, PENDING_CREATE, Kind, Resource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seatrial.openstack.cloud.moments import Clock

ALWAYS = ("id", "project_id", "tenant_id", "provisioning_status", "operating_status")
TIMES = ("created_at", "updated_at")
_RELATIONS = {
    Kind.LOAD_BALANCER: ("listeners", "pools"),
    Kind.LISTENER: ("loadbalancers", "loadbalancer_id", "l7policies"),
    Kind.POOL: (
        "loadbalancers",
        "loadbalancer_id",
        "listeners",
        "listener_id",
        "members",
        "healthmonitor_id",
    ),
    Kind.MEMBER: ("pool_id",),
    Kind.HEALTH_MONITOR: ("pools", "pool_id"),
}


def names_of(kind: Kind) -> frozenset[str]:
    """Return every key that one of a kind has, which is what may be filtered and sorted by."""
    return frozenset((*ATTRIBUTES[kind], *ALWAYS, *TIMES, *_RELATIONS[kind]))


class Shown:
    """Shows resources, and remembers the text of each until it changes: lists are asked for again and again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def text(self, resource: Resource, face: Face) -> bytes:
        """Return one as JSON."""
        version = resource.load_balancer.version
        known_version, text = resource.shown.get(face.value, (None, b""))
        if known_version != version:
            text = json.dumps(self.document(resource, face), separators=(",", ":")).encode()
            resource.shown[face.value] = version, text
        return text

    def document(self, resource: Resource, face: Face) -> dict[str, Any]:
        """Return one as a document."""
        document = {
            "id": resource.id,
            **self._attributes(resource, face),
            "project_id": resource.project_id,
            "tenant_id": resource.project_id,
            "provisioning_status": resource.status,
            "operating_status": _operating_status(resource),
            **_relations(resource),
        }
        if face is Face.OCTAVIA:
            document["created_at"] = self._time(resource.created_ns)
            document["updated_at"] = None if resource.updated_ns is None else self._time(resource.updated_ns)
        return document

    def _attributes(self, resource: Resource, face: Face) -> dict[str, Any]:
        known = ATTRIBUTES[resource.kind]
        return {
            name: value
            for name, value in resource.attributes.items()
            if face is Face.OCTAVIA or not known[name].only_octavia
        }

    def _time(self, moment_ns: int) -> str:
        # As Octavia has them: without a zone, and to the second.
        return self._clock.wall(moment_ns).strftime("%Y-%m-%dT%H:%M:%S")


def _operating_status(resource: Resource) -> str:
    if resource.kind is Kind.MEMBER and resource.parent is not None:
        return "ONLINE" if resource.parent.of(Kind.HEALTH_MONITOR) else "NO_MONITOR"
    return "OFFLINE" if resource.status == PENDING_CREATE else "ONLINE"


def _relations(resource: Resource) -> dict[str, Any]:
    root = resource.load_balancer
    if resource.kind is Kind.LOAD_BALANCER:
        return {"listeners": _ids(resource.of(Kind.LISTENER)), "pools": _ids(resource.of(Kind.POOL))}
    if resource.kind is Kind.LISTENER:
        return {"loadbalancers": _ids([root.id]), "loadbalancer_id": root.id, "l7policies": []}
    if resource.kind is Kind.POOL:
        listeners = [
            listener.id
            for listener in root.of(Kind.LISTENER).values()
            if listener.attributes["default_pool_id"] == resource.id
        ]
        return {
            "loadbalancers": _ids([root.id]),
            "loadbalancer_id": root.id,
            "listeners": _ids(listeners),
            "listener_id": listeners[0] if listeners else None,
            "members": _ids(resource.of(Kind.MEMBER)),
            "healthmonitor_id": next(iter(resource.of(Kind.HEALTH_MONITOR)), None),
        }
    assert resource.parent is not None
    if resource.kind is Kind.MEMBER:
        return {"pool_id": resource.parent.id}
    return {"pools": _ids([resource.parent.id]), "pool_id": resource.parent.id}


def _ids(identities: Iterable[str]) -> list[dict[str, str]]:
    return [{"id": identity} for identity in identities]
