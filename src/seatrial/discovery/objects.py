"""Services and their endpoints at an API server: where each kind is, and what Seatrial makes of them there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.cluster.labels import SERVICE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from seatrial.systems.discovering import ReplicaKind

_ROOTS = {"endpointslices": "/apis/discovery.k8s.io/v1"}


def path_of(kind: str, namespace: str = "", name: str = "") -> str:
    """Return the path of one object, of all of a namespace, or of all that there are."""
    parts = ("namespaces", namespace) if namespace else ()
    return "/".join(filter(None, (_ROOTS.get(kind, "/api/v1"), *parts, kind, name)))


KINDS = tuple(path_of(kind, "{namespace}") for kind in ("services", "endpoints", "endpointslices"))
"""What there is in a namespace of the source, or of the destination: where all of a kind is deleted."""


def endpoints_object(
    kind: ReplicaKind,
    namespace: str,
    name: str,
    addresses: Iterable[str],
    port: int,
    *,
    of_service: bool = True,
) -> dict[str, Any]:
    """Return Endpoints, or an EndpointSlice; ``of_service`` is of the Service of that name."""
    metadata: Mapping[str, Any] = {"name": name, "namespace": namespace}
    ports = [{"name": "http", "port": port, "protocol": "TCP"}]
    if kind == "endpoints":
        subsets = [{"addresses": [{"ip": address} for address in addresses], "ports": ports}]
        return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**metadata, "labels": {SERVICE_NAME: name}} if of_service else metadata,
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in addresses],
        "ports": ports,
    }
