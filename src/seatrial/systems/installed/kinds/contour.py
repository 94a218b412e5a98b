"""Contour with its Envoys, installed as its makers' example does, in a namespace of its own.

What differs from https://projectcontour.io/docs/main/deploy-options/ and why: one Contour, so no leader is elected; it
watches its own namespace only, which it needs no more rights for; its Envoys are a Deployment of ``proxies`` pods
without a shutdown manager, since nobody waits for what they still answer when a trial is over. **What Contour sends to
Envoy is not encrypted** (``--insecure``): both are in one namespace, for the length of a trial, and what is sent is the
plan's routes and a certificate that was made for it.

Its Envoys have one more listener, for reading only: their admin interface is on a socket in the pod.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import yaml
from pydantic import Field

from seatrial.systems.installed.kinds.options import ControlledOptions
from seatrial.systems.installed.kinds.status_port import STATUS_PORT, status_listener
from seatrial.systems.installed.manifests.objects import (
    HTTP_PORT,
    HTTPS_PORT,
    Object,
    Site,
    config_map,
    namespace,
    service,
)
from seatrial.systems.installed.manifests.rights import GATEWAY_API, Rule, rights
from seatrial.systems.installed.manifests.routes import GATEWAY, Dialect, Door, gateway, gateway_class
from seatrial.systems.installed.manifests.workloads import Container, Pod, Resources, deployment
from seatrial.systems.raw import Document, merged
from seatrial.systems.vocabulary import Lack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VERSION, ENVOY_VERSION = "1.33.8", "1.38.9"
"""The versions that are tried: that Envoy is of Contour's own example."""
XDS_PORT, LISTEN_PORT, LISTEN_TLS_PORT, READY_PORT, METRICS_PORT = 8001, 8080, 8443, 8002, 8000
KEPT = (("gateway",), ("server",))
BREAKERS = ("max-connections", "max-pending-requests", "max-requests", "max-retries")
"""Annotations of a Service, each for one of Envoy's thresholds."""
NEEDS = tuple(("projectcontour.io/v1", kind) for kind in ("HTTPProxy", "TLSCertificateDelegation"))
DISABLED = ("extensionservices", "tlsroutes", "grpcroutes", "tcproutes", "backendtlspolicies")
"""Kinds that no topology has, and a cluster need not know then."""
_BOOTSTRAP = Resources(0.25, 128 << 20)
_STATUS_VERBS = ("create", "get", "update")


class ContourOptions(ControlledOptions):
    """Contour and its Envoys, installed on a cluster."""

    bytes_per_connection: ClassVar[int] = 8_192
    raw: ClassVar[Document] = Document({}, KEPT)
    lacks: ClassVar[tuple[Lack, ...]] = (
        *ControlledOptions.lacks,
        Lack(
            "keepalive_upstream",
            (None, 0),
            "Envoy has no limit of idle connections to the origin: 0 for no keep-alive, or leave it out",
        ),
        Lack("header_buffer", (None,), "Contour has no option for the largest head of a request"),
    )

    kind: Literal["contour"] = "contour"
    route_dialect: Dialect = Field(
        "HTTPProxy",
        alias="dialect",
        description="The objects that routes are written as.",
        examples=["Ingress"],
    )

    @property
    def images(self) -> tuple[str, str]:
        """The images of Contour and of its Envoys."""
        return (
            self.image or f"ghcr.io/projectcontour/contour:v{self.version or VERSION}",
            self.proxy_image or f"docker.io/envoyproxy/envoy:distroless-v{ENVOY_VERSION}",
        )


def door(site: Site) -> Door:
    """Return whose the routes are: the class has the namespace's name, which nobody else's has."""
    return Door(site.namespace, annotations={"projectcontour.io/response-timeout": "infinity"})


def breakers(limit: int | None) -> Mapping[str, str]:
    """Return those of each Service that set Envoy's circuit breakers to a limit; none for its defaults."""
    return {} if limit is None else {f"projectcontour.io/{name}": str(limit) for name in BREAKERS}


def objects(site: Site, options: ContourOptions, *, has_tls: bool) -> Iterator[Object]:
    """Yield everything that has to stand before routes are of any use, in the order in which it may be made."""
    is_gateway = options.route_dialect == "HTTPRoute"
    yield namespace(site)
    yield from _rights(site, is_gateway=is_gateway)
    yield config_map(site, "contour", {"contour.yaml": yaml.safe_dump(configuration(site, options))})
    # Before the pods, which are given the address of each service that is there.
    yield service(site, "contour", "contour", {"xds": (XDS_PORT, XDS_PORT)})
    ports = {"http": (HTTP_PORT, LISTEN_PORT), "https": (HTTPS_PORT, LISTEN_TLS_PORT)}
    yield service(site, "envoy", "envoy", ports)
    if is_gateway:
        yield gateway_class(site, f"projectcontour.io/{site.namespace}")
        yield gateway(site, site.namespace, has_tls=has_tls)
    yield _contour(site, options)
    yield _envoys(site, options)


def configuration(site: Site, options: ContourOptions) -> dict[str, Any]:
    """Return Contour's configuration file, with what the plan merges into it."""
    listener: dict[str, Any] = {}
    cluster: dict[str, Any] = {}
    if (size := options.buffer_bytes) is not None:
        listener["per-connection-buffer-limit-bytes"] = size
        cluster["per-connection-buffer-limit-bytes"] = size
    if options.keepalive_upstream == 0:
        cluster["max-requests-per-connection"] = 1
    document: dict[str, Any] = {
        "accesslog-level": "info" if options.access_log == "stdout" else "disabled",
        # Held connections stay silent for as long as the trial takes; by default Contour ends them after a minute.
        "timeouts": {"connection-idle-timeout": "infinity"},
        **({"listener": listener} if listener else {}),
        **({"cluster": cluster} if cluster else {}),
    }
    if options.route_dialect == "HTTPRoute":
        document["gateway"] = {"gatewayRef": {"namespace": site.namespace, "name": GATEWAY}}
    return document if options.config is None else merged(document, options.config)


def _rights(site: Site, *, is_gateway: bool) -> Iterator[Object]:
    contour = "projectcontour.io"
    within = [
        Rule("", ("secrets", "services")),
        Rule("discovery.k8s.io", ("endpointslices",)),
        Rule("networking.k8s.io", ("ingresses",)),
        Rule("networking.k8s.io", ("ingresses/status",), _STATUS_VERBS),
        Rule(contour, ("httpproxies", "tlscertificatedelegations")),
        Rule(contour, ("httpproxies/status",), _STATUS_VERBS),
        Rule("", ("events",), _STATUS_VERBS),
    ]
    if not is_gateway:
        return rights(site, "contour", within)
    kinds = ("gateways", "httproutes", "referencegrants")
    within += [
        Rule(GATEWAY_API, kinds),
        Rule(GATEWAY_API, ("gateways/status", "httproutes/status"), ("update",)),
    ]
    across = [
        Rule("", ("namespaces",)),
        Rule(GATEWAY_API, ("gatewayclasses",)),
        Rule(GATEWAY_API, ("gatewayclasses/status",), ("update",)),
    ]
    return rights(site, "contour", within, across)


def _contour(site: Site, options: ContourOptions) -> Object:
    container = Container(
        name="contour",
        image=options.images[0],
        command=("contour",),
        args=(
            "serve",
            "--incluster",
            "--insecure",
            "--xds-address=0.0.0.0",
            f"--xds-port={XDS_PORT}",
            "--disable-leader-election",
            f"--watch-namespaces={site.namespace}",
            f"--ingress-class-name={site.namespace}",
            *(f"--disable-feature={name}" for name in DISABLED),
            f"--envoy-service-http-port={LISTEN_PORT}",
            f"--envoy-service-https-port={LISTEN_TLS_PORT}",
            "--config-path=/config/contour.yaml",
        ),
        resources=options.controller_resources,
        ports={"xds": XDS_PORT, "metrics": METRICS_PORT},
        mounts={"config": "/config"},
        fields={"CONTOUR_NAMESPACE": "metadata.namespace", "POD_NAME": "metadata.name"},
        # It says that it is healthy before it serves anything to Envoy.
        ready={"tcpSocket": {"port": XDS_PORT}},
    )
    volumes = {"config": {"configMap": {"name": "contour"}}}
    return deployment(
        site, "contour", 1, Pod(container, account="contour", volumes=volumes, nodes=site.nodes)
    )


def _envoys(site: Site, options: ContourOptions) -> Object:
    contour, envoy = options.images
    folders = {"bootstrap": "/config", "admin": "/admin"}
    # Contour's service by the address that Kubernetes puts into the environment: no name has to be resolved.
    before = Container(
        name="bootstrap",
        image=contour,
        command=("contour",),
        args=(
            "bootstrap",
            "/config/envoy.json",
            "--xds-address=$(CONTOUR_SERVICE_HOST)",
            f"--xds-port={XDS_PORT}",
            "--xds-resource-version=v3",
        ),
        resources=_BOOTSTRAP,
        mounts=folders,
        fields={"CONTOUR_NAMESPACE": "metadata.namespace"},
    )
    container = Container(
        name="envoy",
        image=envoy,
        command=("envoy",),
        args=(
            *("-c", "/config/envoy.json"),
            *("--config-yaml", json.dumps(status_listener("envoy-admin"), separators=(",", ":"))),
            *("--service-cluster", "$(CONTOUR_NAMESPACE)"),
            *("--service-node", "$(ENVOY_POD_NAME)"),
            *("--concurrency", str(options.concurrency)),
            *("--log-level", "warning"),
            "--disable-hot-restart",
        ),
        resources=options.resources(options.concurrency),
        ports={"http": LISTEN_PORT, "https": LISTEN_TLS_PORT, "metrics": READY_PORT, "status": STATUS_PORT},
        mounts=folders,
        fields={"CONTOUR_NAMESPACE": "metadata.namespace", "ENVOY_POD_NAME": "metadata.name"},
        # This listener comes from Contour: it is there once the first configuration is.
        ready={"httpGet": {"path": "/ready", "port": READY_PORT}},
    )
    volumes: Mapping[str, Mapping[str, Any]] = {"bootstrap": {"emptyDir": {}}, "admin": {"emptyDir": {}}}
    pod = Pod(container, before=before, volumes=volumes, nodes=site.nodes, apart=True)
    return deployment(site, "envoy", options.proxies, pod)
