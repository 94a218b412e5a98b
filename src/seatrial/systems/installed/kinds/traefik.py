"""Traefik on a cluster: proxies that each read the cluster's objects for themselves, with no controller beside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from seatrial.systems.catalogue import TRAEFIK, absent
from seatrial.systems.counters import Reading
from seatrial.systems.installed.manifests.objects import (
    HTTP_PORT,
    HTTPS_PORT,
    Object,
    Site,
    namespace,
    service,
)
from seatrial.systems.installed.manifests.rights import GATEWAY_API, Rule, rights
from seatrial.systems.installed.manifests.routes import Dialect, Door, gateway, gateway_class, ingress_class
from seatrial.systems.installed.manifests.workloads import Container, Pod, Resources, deployment
from seatrial.systems.local.configured import digest
from seatrial.systems.local.exposition import added_up, matching, parse_exposition
from seatrial.systems.settings import Setting

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

VERSION = "3.7.15"
LISTEN_PORT, LISTEN_TLS_PORT, STATUS_PORT = 8080, 8443, 9000
INGRESS = "ingress"
"""The name of the entry point, which the catalogue of counters has."""
CONTROLLERS = {"Ingress": "traefik.io/ingress-controller", "HTTPRoute": "traefik.io/gateway-controller"}
GATEWAY_NEEDS = tuple((f"{GATEWAY_API}/v1", kind) for kind in ("GRPCRoute", "TLSRoute", "BackendTLSPolicy"))
CONFIGURATION_PAGE = "/api/rawdata"
ENTRY_POINT_PAGE = f"/api/entrypoints/{INGRESS}"
_NO_LIMIT = "0s"


class TraefikAsked(Protocol):
    """What a plan says of it, as ``TraefikOptions`` has it."""

    proxies: int
    gomaxprocs: int
    keepalive_upstream: int
    header_buffer_bytes: int | None
    access_log: str
    image: str | None
    version: str | None
    route_dialect: Dialect

    def resources(self, threads: int) -> Resources:
        """Return what each proxy may use."""


def image(options: TraefikAsked) -> str:
    """Return the image that is asked for."""
    return options.image or f"docker.io/library/traefik:v{options.version or VERSION}"


def listen_port(*, has_tls: bool) -> int:
    """Return the port of its entry point."""
    return LISTEN_TLS_PORT if has_tls else LISTEN_PORT


def door(site: Site) -> Door:
    """Return whose the routes are. Traefik has no time limit for an answer, and no field of a route to say so."""
    return Door(site.namespace, timeouts=False)


def objects(site: Site, options: TraefikAsked, *, has_tls: bool) -> Iterator[Object]:
    """Yield everything that has to stand before routes are of any use, in the order in which it may be made."""
    port = listen_port(has_tls=has_tls)
    yield namespace(site)
    yield from _rights(site, options.route_dialect)
    outer = HTTPS_PORT if has_tls else HTTP_PORT
    yield service(site, "traefik", "traefik", {"https" if has_tls else "http": (outer, port)})
    if options.route_dialect == "Ingress":
        yield ingress_class(site, CONTROLLERS["Ingress"])
    else:
        yield gateway_class(site, CONTROLLERS["HTTPRoute"])
        # A listener belongs to the entry point of the same port.
        yield gateway(site, site.namespace, has_tls=has_tls, port=port)
    container = Container(
        name="traefik",
        image=image(options),
        command=("traefik",),
        args=tuple(arguments(site, options, has_tls=has_tls)),
        resources=options.resources(options.gomaxprocs),
        ports={"http": port, "status": STATUS_PORT},
        environment={"GOMAXPROCS": str(options.gomaxprocs)},
        ready={"httpGet": {"path": "/ping", "port": STATUS_PORT}},
    )
    pod = Pod(container, account="traefik", nodes=site.nodes, apart=True)
    yield deployment(site, "traefik", options.proxies, pod)


def arguments(site: Site, options: TraefikAsked, *, has_tls: bool) -> Iterator[str]:
    """Yield its arguments; the timeouts and pools are those of the one on a single machine."""
    entry = f"--entrypoints.{INGRESS}"
    yield f"{entry}.address=:{listen_port(has_tls=has_tls)}"
    for name in ("readtimeout", "writetimeout", "idletimeout"):
        yield f"{entry}.transport.respondingtimeouts.{name}={_NO_LIMIT}"
    if has_tls:
        yield f"{entry}.http.tls=true"
    if options.header_buffer_bytes is not None:
        yield f"{entry}.http.maxheaderbytes={options.header_buffer_bytes}"
    # By this name it has the ping, the metrics and the API, which only tells.
    yield f"--entrypoints.traefik.address=:{STATUS_PORT}"
    yield from ("--ping=true", "--api.insecure=true", "--api.dashboard=false")
    yield from (
        "--metrics.prometheus.addentrypointslabels=true",
        "--metrics.prometheus.addserviceslabels=true",
    )
    yield from ("--global.checknewversion=false", "--global.sendanonymoususage=false", "--log.level=ERROR")
    if options.access_log == "stdout":
        yield "--accesslog=true"
    # To Traefik 0 is Go's default of 2, and what is below it none.
    yield f"--serverstransport.maxidleconnsperhost={options.keepalive_upstream or -1}"
    yield "--serverstransport.forwardingtimeouts.dialtimeout=5s"
    yield "--serverstransport.forwardingtimeouts.idleconntimeout=1h"
    provider = "kubernetesingress" if options.route_dialect == "Ingress" else "kubernetesgateway"
    yield f"--providers.{provider}.namespaces={site.namespace}"
    if options.route_dialect == "Ingress":
        yield f"--providers.{provider}.ingressclass={site.namespace}"


def reading(page: str, incarnation: str) -> Reading:
    """Return what its page of metrics says."""
    values = added_up(parse_exposition(page, "traefik_"), "service")
    requests = sum(matching(values, "traefik_entrypoint_requests_total", entrypoint=INGRESS))
    upstream = sum(matching(values, "traefik_service_requests_total"))
    active = sum(matching(values, "traefik_open_connections", entrypoint=INGRESS))
    return Reading(
        incarnation=incarnation,
        connections_active=int(active),
        connections_accepted=None,
        requests=int(requests),
        upstream_requests=int(upstream),
        values=values,
        absent=absent(TRAEFIK, values),
    )


def settings(member: str, page: str, options: TraefikAsked) -> tuple[Setting, ...]:
    """Return what its API says of its entry point; of its transports to the origin it says nothing."""
    size, asked = json.loads(page)["http"]["maxHeaderBytes"], options.header_buffer_bytes
    return (Setting(member, "http.maxHeaderBytes", asked, size, "/api/entrypoints"),)


def endpoints(page: str) -> Collection[frozenset[str]]:
    """Return the addresses of each of its services that has some."""
    servers = (
        one.get("loadBalancer", {}).get("servers", ()) for one in json.loads(page)["services"].values()
    )
    return {frozenset(urlsplit(server["url"]).netloc for server in each) for each in servers if each}


def configuration(page: str) -> Mapping[str, str]:
    """Return the digest of its routers and services."""
    return {"rawdata": digest(json.loads(page), {"serverStatus"})}


def _rights(site: Site, dialect: Dialect) -> Iterator[Object]:
    within = [Rule("", ("services", "secrets")), Rule("discovery.k8s.io", ("endpointslices",))]
    if dialect == "Ingress":
        within += [
            Rule("networking.k8s.io", ("ingresses",)),
            Rule("networking.k8s.io", ("ingresses/status",), ("update",)),
        ]
        across = [Rule("", ("nodes",)), Rule("networking.k8s.io", ("ingressclasses",))]
        return rights(site, "traefik", within, across)
    kinds = ("gateways", "httproutes", "grpcroutes", "tlsroutes", "referencegrants", "backendtlspolicies")
    status = tuple(f"{kind}/status" for kind in kinds if kind != "referencegrants")
    within += [Rule(GATEWAY_API, kinds), Rule(GATEWAY_API, status, ("update",)), Rule("", ("configmaps",))]
    across = [
        Rule("", ("namespaces",)),
        Rule(GATEWAY_API, ("gatewayclasses",)),
        Rule(GATEWAY_API, ("gatewayclasses/status",), ("update",)),
    ]
    return rights(site, "traefik", within, across)
