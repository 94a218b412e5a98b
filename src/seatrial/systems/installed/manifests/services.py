"""Services of a topology, and their endpoints: addresses of the origin, written down and not looked for by labels.

So many services may have endpoints of the same pods, and each as many as the plan says. A controller reads the same
EndpointSlices as behind a selector; only that nobody has to make them anew when a pod changes.
"""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING

from seatrial.cluster.labels import SERVICE_NAME
from seatrial.systems.installed.manifests.objects import HTTP_PORT, Object, Site

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seatrial.systems.certificate import Certificate
    from seatrial.topology.expand import Service, Topology

ENDPOINTS_PER_SLICE = 100
"""What Kubernetes' own controller puts into one (its --max-endpoints-per-slice); the API takes 1,000."""
PORT = "http"
CERTIFICATE = "seatrial-tls"
_MANAGED = "endpointslice.kubernetes.io/managed-by"


def services(site: Site, topology: Topology, annotations: Mapping[str, str]) -> Iterator[Object]:
    """Yield each service with its endpoints, one after another: there may be ten thousand."""
    for one in topology.services:
        yield _service(site, one, annotations)
        yield from endpoint_slices(site, one)


def certificate(site: Site, files: Certificate) -> Object:
    """Return the secret that every route's TLS is from."""
    data = {"tls.crt": files.cert, "tls.key": files.key}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": site.metadata(CERTIFICATE),
        "type": "kubernetes.io/tls",
        "data": {name: b64encode(file.read_bytes()).decode() for name, file in data.items()},
    }


def _service(site: Site, one: Service, annotations: Mapping[str, str]) -> Object:
    given = {"annotations": dict(annotations)} if annotations else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": site.metadata(one.name, **given),
        "spec": {"ports": [{"name": PORT, "port": HTTP_PORT, "protocol": "TCP"}]},
    }


def endpoint_slices(site: Site, one: Service) -> Iterator[Object]:
    """Yield the endpoints of a service, as many in one object as Kubernetes has it."""
    by_kind: dict[tuple[int, int], list[str]] = defaultdict(list)
    for endpoint in one.endpoints:
        by_kind[ipaddress.ip_address(endpoint.host).version, endpoint.port].append(endpoint.host)
    parts = ((kind, hosts) for kind, of_kind in by_kind.items() for hosts in _parts(of_kind))
    for number, ((version, port), hosts) in enumerate(parts):
        metadata = site.metadata(f"{one.name}-{number}")
        labels = {**metadata["labels"], SERVICE_NAME: one.name, _MANAGED: "seatrial"}
        yield {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**metadata, "labels": labels},
            "addressType": f"IPv{version}",
            "ports": [{"name": PORT, "port": port, "protocol": "TCP"}],
            "endpoints": [{"addresses": [host], "conditions": {"ready": True}} for host in hosts],
        }


def _parts(hosts: list[str]) -> Iterator[tuple[str, ...]]:
    left = iter(hosts)
    while part := tuple(islice(left, ENDPOINTS_PER_SLICE)):
        yield part
