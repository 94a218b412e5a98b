"""Who sees what: an administrator everything, whoever else what is in the project of the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.openstack.api.answers import Face, Refused
from seatrial.openstack.cloud.resources import PENDING_DELETE, PENDING_UPDATE, Kind, Resource

if TYPE_CHECKING:
    from seatrial.openstack.cloud.cloud import Cloud
    from seatrial.openstack.cloud.tokens import Token

_FORBIDDEN = "Policy does not allow this request to be performed."


def missing(kind: Kind, identity: str, face: Face) -> Refused:
    """Return what is answered where there is no such thing."""
    if face is Face.NEUTRON:
        return Refused(404, f"{kind.value} {identity} could not be found", "EntityNotFound")
    return Refused(404, f"{kind.noun} {identity} not found.")


def visible(cloud: Cloud, kind: Kind, identity: str, token: Token, face: Face) -> Resource:
    """Return a resource that the caller may see; raises ``Refused``. Neutron hides that others' are there at all."""
    found = cloud.get(kind, identity)
    if found is None:
        raise missing(kind, identity, face)
    if not _may(token, found.project_id):
        raise missing(kind, identity, face) if face is Face.NEUTRON else Refused(403, _FORBIDDEN)
    return found


def listed_project(token: Token, asked: str | None, face: Face) -> str | None:
    """Return the project whose resources are listed, None for all, "" for none; raises ``Refused``."""
    if token.is_admin:
        return asked
    own = "" if token.project is None else token.project.id
    if asked in {None, own}:
        if not own:
            raise Refused(403, _FORBIDDEN, "Forbidden")
        return own
    if face is Face.NEUTRON:
        return ""
    raise Refused(403, _FORBIDDEN)


def project_for(token: Token, asked: str | None) -> str:
    """Return the project that a new load balancer is of; raises ``Refused``."""
    own = None if token.project is None else token.project.id
    project_id = asked or own
    if project_id is None or not _may(token, project_id):
        raise Refused(403, _FORBIDDEN, "Forbidden")
    return project_id


def require_mutable(resource: Resource, face: Face, *, is_removal: bool = False) -> None:
    """Raise ``Refused`` while the load balancer is busy with another change."""
    root = resource.load_balancer
    busy = next((one for one in (root, resource) if one.status.startswith("PENDING")), None)
    if busy is None:
        return
    if face is Face.NEUTRON:
        text = f"Invalid state {busy.status} of loadbalancer resource {root.id}"
        raise Refused(409, text, "StateInvalid")
    if is_removal and resource is root:
        state = PENDING_DELETE if root.status == PENDING_DELETE else PENDING_UPDATE
        raise Refused(409, f"Invalid state {state} of loadbalancer resource {root.id}")
    raise Refused(409, f"{Kind.LOAD_BALANCER.noun} {root.id} is immutable and cannot be updated.")


def _may(token: Token, project_id: str) -> bool:
    return token.is_admin or (token.project is not None and token.project.id == project_id)
