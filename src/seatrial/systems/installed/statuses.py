"""What a cluster says of routes that are not served: what a controller wrote, and what it may have missed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from seatrial.cluster.objects import Objects
from seatrial.cluster.resources import Ref
from seatrial.errors import ClusterFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from seatrial.cluster.client import Client
    from seatrial.systems.installed.manifests.routes import Dialect

API_VERSIONS: Mapping[Dialect, str] = {
    "HTTPProxy": "projectcontour.io/v1",
    "Ingress": "networking.k8s.io/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
}


STATED: frozenset[Dialect] = frozenset({"HTTPProxy", "HTTPRoute"})
"""Those whose status says of which generation it is; an Ingress has none of its own."""


async def reasons(client: Client, namespace: str, dialect: Dialect, names: Iterable[str]) -> list[str]:
    """Return what is said of these routes, each of which says something; what cannot be read says nothing."""
    objects, found = Objects(client), []
    for name in names:
        with suppress(ClusterFault):
            ref = Ref(API_VERSIONS[dialect], dialect, name, namespace)
            route = await objects.get(ref)
            if route is None:
                found.append(f"there is no {ref}")
                continue
            said = list(said_of(dialect, route))
            if not said:
                said = [f"there is no Service {one}" for one in services_of(dialect, route)
                        if await objects.get(Ref("v1", "Service", one, namespace)) is None]  # fmt: skip
            found += [f"{ref}: {one}" for one in said]
    return found


def said_of(dialect: Dialect, route: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a route by its own status; an Ingress has no place for that."""
    status = route.get("status", {})
    if dialect == "HTTPProxy" and status.get("currentStatus") not in {None, "valid"}:
        conditions = [
            one for condition in status.get("conditions", ()) for one in condition.get("errors", ())
        ]
        details = "; ".join(str(one["message"]) for one in conditions)
        yield f"{status['currentStatus']}: {details or status.get('description', '')}"
    if dialect == "HTTPRoute":
        if not status.get("parents"):
            yield "no controller has taken it: its Gateway may be of a class that nobody serves"
        for parent in status.get("parents", ()):
            for condition in parent.get("conditions", ()):
                if condition["type"] in {"Accepted", "ResolvedRefs"} and condition["status"] != "True":
                    yield f"not {condition['type']}: {condition.get('message', condition.get('reason'))}"


def services_of(dialect: Dialect, route: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the services that a route leads to."""
    spec = route.get("spec", {})
    if dialect == "HTTPProxy":
        backends = [one for rule in spec.get("routes", ()) for one in rule.get("services", ())]
        yield from (str(one["name"]) for one in backends)
    elif dialect == "HTTPRoute":
        backends = [one for rule in spec.get("rules", ()) for one in rule.get("backendRefs", ())]
        yield from (str(one["name"]) for one in backends)
    else:
        paths = [path for rule in spec.get("rules", ()) for path in rule.get("http", {}).get("paths", ())]
        yield from (str(path["backend"]["service"]["name"]) for path in paths)


def observed_generation(dialect: Dialect, route: Mapping[str, Any]) -> int:
    """Return the generation of a route that its status says is in order; 0 where it says that of none.

    An Ingress has no status of its own routes.
    """
    status = route.get("status") or {}
    if dialect == "HTTPProxy":
        if status.get("currentStatus") != "valid":
            return 0
        return _least(one for one in status.get("conditions") or () if one["type"] == "Valid")
    if dialect == "HTTPRoute":
        conditions = [one for parent in status.get("parents") or () for one in parent.get("conditions") or ()]
        needed = [one for one in conditions if one["type"] in {"Accepted", "ResolvedRefs"}]
        return _least(needed) if all(one["status"] == "True" for one in needed) else 0
    return 0


def _least(conditions: Iterable[Mapping[str, Any]]) -> int:
    return min((int(one.get("observedGeneration") or 0) for one in conditions), default=0)
