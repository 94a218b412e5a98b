"""Envoy Gateway, installed as its makers' chart does, in a namespace of its own, which alone it watches.

It starts its Envoys itself, from the ``EnvoyProxy`` that its class names. One of them has one more listener, for
reading only: the admin interface is on the pod's own loopback. The certificates between it and its Envoys are made by
its own ``certgen``, which a Job runs first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import yaml
from pydantic import Field

from seatrial.systems.installed.kinds.options import ControlledOptions
from seatrial.systems.installed.kinds.status_port import status_listener
from seatrial.systems.installed.manifests.objects import Object, Site, config_map, namespace, service
from seatrial.systems.installed.manifests.rights import GATEWAY_API, Rule, rights
from seatrial.systems.installed.manifests.routes import GATEWAY, gateway, gateway_class
from seatrial.systems.installed.manifests.workloads import Container, Pod, Resources, deployment, job
from seatrial.systems.raw import Document, merged
from seatrial.systems.vocabulary import Lack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VERSION, ENVOY_VERSION = "1.9.1", "1.39.1"
LISTEN_PORT, LISTEN_TLS_PORT, METRICS_PORT = 10080, 10443, 19001
"""Its Envoys listen on unprivileged ports: 10,000 above those of the Gateway."""
GROUP = "gateway.envoyproxy.io"
NAME = "envoy-gateway"
NEEDS = tuple(
    (f"{GROUP}/v1alpha1", kind)
    for kind in (
        "EnvoyProxy", "ClientTrafficPolicy", "BackendTrafficPolicy", "SecurityPolicy", "EnvoyExtensionPolicy",
        "EnvoyPatchPolicy", "Backend", "HTTPRouteFilter",
    )
)  # fmt: skip
GATEWAY_NEEDS = tuple(
    (f"{GATEWAY_API}/{version}", kind)
    for version, kind in (
        ("v1", "GRPCRoute"),
        ("v1alpha2", "TLSRoute"),
        ("v1alpha2", "TCPRoute"),
        ("v1alpha2", "UDPRoute"),
        ("v1", "BackendTLSPolicy"),
    )
)
POLICY = "seatrial"
_CHANGE = ("create", "get", "list", "watch", "patch", "update", "delete", "deletecollection")


class EnvoyGatewayOptions(ControlledOptions):
    """Envoy Gateway and its Envoys, installed on a cluster; routes are HTTPRoutes."""

    bytes_per_connection: ClassVar[int] = 8_192
    raw: ClassVar[Document] = Document({}, (("provider",), ("gateway",)))
    beside_each_proxy: ClassVar[Resources] = Resources(0.01, 32 << 20)
    lacks: ClassVar[tuple[Lack, ...]] = (
        *ControlledOptions.lacks,
        Lack(
            "keepalive_upstream",
            (None,),
            "Envoy has no limit of idle connections to the origin, and Envoy Gateway no option for fewer",
        ),
        Lack("header_buffer", (None,), "Envoy Gateway has no option for the largest head of a request"),
    )

    kind: Literal["envoy-gateway"] = "envoy-gateway"
    route_dialect: Literal["HTTPRoute"] = Field(
        "HTTPRoute",
        alias="dialect",
        description="The objects that routes are written as.",
        examples=["HTTPRoute"],
    )

    @property
    def images(self) -> tuple[str, str]:
        """The images of Envoy Gateway and of its Envoys."""
        return (
            self.image or f"docker.io/envoyproxy/gateway:v{self.version or VERSION}",
            self.proxy_image or f"docker.io/envoyproxy/envoy:distroless-v{ENVOY_VERSION}",
        )


def labels(site: Site) -> Mapping[str, str]:
    """Return the labels that it gives to the pods of the Gateway's Envoys."""
    return {f"{GROUP}/owning-gateway-name": GATEWAY, f"{GROUP}/owning-gateway-namespace": site.namespace}


def before(site: Site, options: EnvoyGatewayOptions) -> Iterator[Object]:
    """Yield what makes the certificates, which the controller waits for."""
    yield namespace(site)
    secrets = Rule("", ("secrets",), ("create", "get", "update"))
    yield from rights(site, "certgen", [secrets])
    pod = Pod(
        _container(options, "certgen", "certgen", "--disable-topology-injector"),
        account="certgen",
        nodes=site.nodes,
    )
    yield job(site, "certgen", pod)


def objects(site: Site, options: EnvoyGatewayOptions, *, has_tls: bool) -> Iterator[Object]:
    """Yield everything that has to stand before routes are of any use, in the order in which it may be made."""
    yield from before(site, options)
    yield from _rights(site)
    yield config_map(site, NAME, {"envoy-gateway.yaml": yaml.safe_dump(configuration(site, options))})
    yield service(site, NAME, NAME, {"grpc": (18000, 18000), "wasm": (18002, 18002)})
    yield _controller(site, options)
    yield _proxies(site, options)
    reference = {"group": GROUP, "kind": "EnvoyProxy", "name": POLICY, "namespace": site.namespace}
    yield gateway_class(site, controller_name(site), reference)
    yield gateway(site, site.namespace, has_tls=has_tls)


def policies(site: Site, options: EnvoyGatewayOptions, limit: int | None) -> Iterator[Object]:
    """Yield what is said of every connection and every route: how long they may be silent, the circuit breakers."""
    client: dict[str, Any] = {"timeout": {"http": {"idleTimeout": "0s", "requestReceivedTimeout": "0s"}}}
    backend: dict[str, Any] = {}
    if (size := options.buffer_bytes) is not None:
        client["connection"] = {"bufferLimit": str(size)}
        backend["connection"] = {"bufferLimit": str(size)}
    if limit is not None:
        names = ("maxConnections", "maxPendingRequests", "maxParallelRequests", "maxParallelRetries")
        backend["circuitBreaker"] = dict.fromkeys(names, limit)
    yield _policy(site, "ClientTrafficPolicy", client)
    if backend:
        yield _policy(site, "BackendTrafficPolicy", backend)


def controller_name(site: Site) -> str:
    """Return the name by which a class is its own and no other's."""
    return f"{GROUP}/{site.namespace}"


def configuration(site: Site, options: EnvoyGatewayOptions) -> dict[str, Any]:
    """Return its configuration file, with what the plan merges into it."""
    kubernetes = {
        "watch": {"type": "Namespaces", "namespaces": [site.namespace]},
        "leaderElection": {"disable": True},
        "shutdownManager": {"image": options.images[0]},
    }
    document: dict[str, Any] = {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "EnvoyGateway",
        "gateway": {"controllerName": controller_name(site)},
        "provider": {"type": "Kubernetes", "kubernetes": kubernetes},
        "logging": {"level": {"default": "info"}},
    }
    return document if options.config is None else merged(document, options.config)


def _policy(site: Site, kind: str, spec: Mapping[str, Any]) -> Object:
    target = {"group": GATEWAY_API, "kind": "Gateway", "name": GATEWAY}
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": kind,
        "metadata": site.metadata(POLICY),
        "spec": {"targetRefs": [target], **spec},
    }


def _proxies(site: Site, options: EnvoyGatewayOptions) -> Object:
    envoy = options.images[1]
    spec: dict[str, Any] = {
        "concurrency": options.concurrency,
        # It would wait for a minute for what nobody asks any more.
        "shutdown": {"drainTimeout": "1s", "minDrainDuration": "0s"},
        "logging": {"level": {"default": "warn"}},
        "bootstrap": {"type": "Merge", "value": yaml.safe_dump(status_listener("prometheus_stats"))},
        "provider": {
            "type": "Kubernetes",
            "kubernetes": {
                "envoyDeployment": {
                    "replicas": options.proxies,
                    "container": {"image": envoy, "resources": options.resources(options.concurrency).plain},
                    **({"pod": {"nodeSelector": dict(site.nodes)}} if site.nodes else {}),
                },
                "envoyService": {"type": "ClusterIP"},
            },
        },
    }
    # Its own default is a line of JSON for each request.
    if options.access_log == "off":
        spec["telemetry"] = {"accessLog": {"disable": True}}
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "EnvoyProxy",
        "metadata": site.metadata(POLICY),
        "spec": spec,
    }


def _controller(site: Site, options: EnvoyGatewayOptions) -> Object:
    container = _container(options, NAME, "server", "--config-path=/config/envoy-gateway.yaml")
    volumes = {"config": {"configMap": {"name": NAME}}, "certs": {"secret": {"secretName": NAME}}}
    return deployment(site, NAME, 1, Pod(container, account=NAME, volumes=volumes, nodes=site.nodes))


def _container(options: EnvoyGatewayOptions, name: str, *args: str) -> Container:
    is_server = name == NAME
    return Container(
        name=name,
        image=options.images[0],
        command=("envoy-gateway",),
        args=args,
        resources=options.controller_resources,
        ports={"grpc": 18000, "wasm": 18002, "metrics": METRICS_PORT} if is_server else {},
        mounts={"config": "/config", "certs": "/certs"} if is_server else {},
        environment={"KUBERNETES_CLUSTER_DOMAIN": "cluster.local"},
        fields={"ENVOY_GATEWAY_NAMESPACE": "metadata.namespace"},
        ready={"httpGet": {"path": "/readyz", "port": 8081}} if is_server else None,
    )


def _rights(site: Site) -> Iterator[Object]:
    ours = ("envoyproxies", "clienttrafficpolicies", "backendtrafficpolicies", "securitypolicies", "backends",
            "envoyextensionpolicies", "envoypatchpolicies", "httproutefilters")  # fmt: skip
    routes = ("gateways", "httproutes", "grpcroutes", "tlsroutes", "tcproutes", "udproutes", "referencegrants",
              "backendtlspolicies", "listenersets")  # fmt: skip
    within = [
        Rule("", ("configmaps", "secrets", "services", "pods")),
        Rule("apps", ("deployments", "daemonsets")),
        Rule("discovery.k8s.io", ("endpointslices",)),
        Rule(GROUP, ours),
        Rule(GROUP, tuple(f"{one}/status" for one in ours), ("update",)),
        Rule(GATEWAY_API, routes),
        Rule(GATEWAY_API, tuple(f"{one}/status" for one in routes), ("update",)),
        # Its Envoys are its own.
        Rule("", ("serviceaccounts", "services", "configmaps"), _CHANGE),
        Rule("apps", ("deployments", "daemonsets"), _CHANGE),
        Rule("autoscaling", ("horizontalpodautoscalers",), _CHANGE),
        Rule("policy", ("poddisruptionbudgets",), _CHANGE),
    ]
    across = [
        Rule("", ("namespaces", "nodes")),
        Rule(GATEWAY_API, ("gatewayclasses",), ("get", "list", "watch", "patch", "update")),
        Rule(GATEWAY_API, ("gatewayclasses/status",), ("update",)),
    ]
    return rights(site, NAME, within, across)
