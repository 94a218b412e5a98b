"""Routes of a topology as objects, in each of the dialects in which people write them.

Ten thousand are yielded one after another. No dialect is given a time limit of its own: the load generator gives up by
its own clock, and a second one would blur whose limit was met.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from seatrial.systems.installed.manifests.objects import HTTP_PORT, HTTPS_PORT, Object, Site
from seatrial.systems.installed.manifests.rights import GATEWAY_API
from seatrial.systems.installed.manifests.services import CERTIFICATE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seatrial.topology.expand import Route, Topology

Dialect = Literal["HTTPProxy", "Ingress", "HTTPRoute"]

GATEWAY = "gateway"
_NO_LIMIT = "infinity"


@dataclass(frozen=True, slots=True)
class Door:
    """Whose routes are: an ingress ``class_name``, and the ``gateway`` with the namespace that it is in.

    ``annotations`` are of every Ingress. What understands no ``timeouts`` of an HTTPRoute has none by itself.
    """

    class_name: str | None = None
    gateway: str = GATEWAY
    gateway_namespace: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    timeouts: bool = True


def host_of(route: Route, dialect: Dialect) -> str | None:
    """Return the host by which requests reach a route; None where any does, which an HTTPProxy cannot say."""
    return route.authority if dialect == "HTTPProxy" else route.host


def routes(
    site: Site, topology: Topology, dialect: Dialect, door: Door, *, has_tls: bool
) -> Iterator[Object]:
    """Yield the objects that lead requests for every route to its service."""
    root = root_of(site, topology, dialect, door, has_tls=has_tls)
    if root is not None:
        yield root
    for route in topology.routes:
        yield route_object(site, route, dialect, door, has_tls=has_tls, is_included=root is not None)


def root_of(site: Site, topology: Topology, dialect: Dialect, door: Door, *, has_tls: bool) -> Object | None:
    """Return the object that has to name every route, where there is one.

    A host is of one HTTPProxy only: it includes those of the paths.
    """
    if dialect != "HTTPProxy" or not topology.by_path:
        return None
    virtual_host = {"fqdn": topology.routes[0].authority, **_tls(has_tls=has_tls)}
    included = [{"name": route.name, "conditions": [{"prefix": route.prefix}]} for route in topology.routes]
    return _http_proxy(site, "routes", door, virtualhost=virtual_host, includes=included)


def route_object(
    site: Site, route: Route, dialect: Dialect, door: Door, *, has_tls: bool, is_included: bool
) -> Object:
    """Return the object of one route; ``is_included`` is whether another names it."""
    if dialect == "Ingress":
        return _ingress(site, route, door, has_tls)
    if dialect == "HTTPRoute":
        return _http_route(site, route, door)
    virtual_host = {"fqdn": host_of(route, "HTTPProxy"), **_tls(has_tls=has_tls)}
    at = {} if is_included else {"virtualhost": virtual_host}
    return _http_proxy(site, route.name, door, **at, routes=[_to(route)])


def ingress_class(site: Site, controller: str) -> Object:
    """Return the class of the routes at a site, under the namespace's name, for a controller."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {**site.cluster_metadata("class"), "name": site.namespace},
        "spec": {"controller": controller},
    }


def gateway_class(site: Site, controller: str, parameters: Mapping[str, str] | None = None) -> Object:
    """Return the class of the Gateway at a site, as above; ``parameters`` refer to what sets its proxies up."""
    given = {"parametersRef": dict(parameters)} if parameters else {}
    return {
        "apiVersion": f"{GATEWAY_API}/v1",
        "kind": "GatewayClass",
        "metadata": {**site.cluster_metadata("class"), "name": site.namespace},
        "spec": {"controllerName": controller, **given},
    }


def gateway(site: Site, class_name: str, *, has_tls: bool, port: int | None = None) -> Object:
    """Return the Gateway that HTTPRoutes of the same namespace are of: one listener, for every host.

    The ``port`` is that of the protocol unless it is given.
    """
    tls = {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": CERTIFICATE}]}
    listener = {
        "name": "https" if has_tls else "http",
        "protocol": "HTTPS" if has_tls else "HTTP",
        "port": port or (HTTPS_PORT if has_tls else HTTP_PORT),
        **({"tls": tls} if has_tls else {}),
        "allowedRoutes": {"namespaces": {"from": "Same"}},
    }
    return {
        "apiVersion": f"{GATEWAY_API}/v1",
        "kind": "Gateway",
        "metadata": site.metadata(GATEWAY),
        "spec": {"gatewayClassName": class_name, "listeners": [listener]},
    }


def _tls(*, has_tls: bool) -> dict[str, Any]:
    return {"tls": {"secretName": CERTIFICATE}} if has_tls else {}


def _http_proxy(site: Site, name: str, door: Door, **spec: Any) -> Object:
    class_name = {"ingressClassName": door.class_name} if door.class_name else {}
    return {
        "apiVersion": "projectcontour.io/v1",
        "kind": "HTTPProxy",
        "metadata": site.metadata(name),
        "spec": {**class_name, **spec},
    }


def _to(route: Route) -> dict[str, Any]:
    return {
        "services": [{"name": route.service.name, "port": HTTP_PORT}],
        "timeoutPolicy": {"response": _NO_LIMIT, "idle": _NO_LIMIT},
    }


def _ingress(site: Site, route: Route, door: Door, has_tls: bool) -> Object:  # noqa: FBT001
    backend = {"service": {"name": route.service.name, "port": {"number": HTTP_PORT}}}
    host = {"host": route.host} if route.host else {}
    path = {"path": route.prefix, "pathType": "Prefix", "backend": backend}
    hosts = {"hosts": [route.host]} if route.host else {}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": site.metadata(
            route.name, **({"annotations": dict(door.annotations)} if door.annotations else {})
        ),
        "spec": {
            **({"ingressClassName": door.class_name} if door.class_name else {}),
            **({"tls": [{**hosts, "secretName": CERTIFICATE}]} if has_tls else {}),
            "rules": [{**host, "http": {"paths": [path]}}],
        },
    }


def _http_route(site: Site, route: Route, door: Door) -> Object:
    elsewhere = {"namespace": door.gateway_namespace} if door.gateway_namespace else {}
    rule: dict[str, Any] = {
        "matches": [{"path": {"type": "PathPrefix", "value": route.prefix}}],
        "backendRefs": [{"name": route.service.name, "port": HTTP_PORT}],
    }
    if door.timeouts:
        rule["timeouts"] = {"request": "0s"}
    return {
        "apiVersion": f"{GATEWAY_API}/v1",
        "kind": "HTTPRoute",
        "metadata": site.metadata(route.name),
        "spec": {
            "parentRefs": [{"name": door.gateway, **elsewhere}],
            **({"hostnames": [route.host]} if route.host else {}),
            "rules": [rule],
        },
    }
