"""A service as objects of the destination, and what of an object matters when two are compared.

An API server gives defaults to what is left out and keeps lists in whatever order they came: neither is a difference.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from seatrial.cluster.labels import MANAGED_BY, SERVICE_NAME
from seatrial.cluster.resources import Resource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from seatrial.discoverer.services import Key, Upstream

ObjectId = tuple[str, str]
"""Kind and name, within a namespace."""
Shape = tuple[Any, ...]
"""What matters of an object: equal for two that mean the same."""

SERVICE, SLICE, NAMESPACE = "Service", "EndpointSlice", "Namespace"
RESOURCES = {
    SERVICE: Resource("v1", SERVICE, "services", is_namespaced=True),
    SLICE: Resource("discovery.k8s.io/v1", SLICE, "endpointslices", is_namespaced=True),
    NAMESPACE: Resource("v1", NAMESPACE, "namespaces", is_namespaced=False),
}
MANAGER = "seatrial-discoverer"
BACKEND = "seatrial.dev/backend"
SLICE_MANAGER = "endpointslice.kubernetes.io/managed-by"
_OUR_LABELS = (BACKEND, MANAGED_BY, SERVICE_NAME, SLICE_MANAGER)
ENDPOINTS_LIMIT, PORTS_LIMIT = 1_000, 100
"""Of one EndpointSlice: the API's own limits."""


def manifests(key: Key, service: Upstream, backend: str) -> dict[ObjectId, dict[str, Any]]:
    """Return the objects that stand for a service: a Service, and EndpointSlices: one where its ports lead to the same.

    The Service has no selector and no address of its own (headless): what asks for its endpoints needs none, and an
    address would have to be allocated for each.
    """
    namespace, name = key
    metadata = _metadata(namespace, name, backend)
    ports = [
        {"name": port.name, "protocol": port.protocol, "port": port.port} for port in service.ports or ()
    ]
    made = {
        (SERVICE, name): {
            "apiVersion": "v1",
            "kind": SERVICE,
            "metadata": metadata,
            "spec": {"type": "ClusterIP", "clusterIP": "None", "ports": ports},
        }
    }
    for one in _slices(key, service, backend):
        made[SLICE, one["metadata"]["name"]] = one
    return made


def shape_of(manifest: Mapping[str, Any]) -> Shape:
    """Return what matters of one of our objects, as it was made or as the API server has it."""
    labels = manifest["metadata"].get("labels") or {}
    ours = tuple(labels.get(name) for name in _OUR_LABELS)
    if manifest["kind"] == SERVICE:
        spec = manifest["spec"]
        return ours, tuple(sorted(_service_port(port) for port in spec.get("ports") or ()))
    endpoints = sorted(
        (tuple(sorted(one["addresses"])), (one.get("conditions") or {}).get("ready", True) is not False)
        for one in manifest.get("endpoints") or ()
    )
    ports = sorted(
        (str(port.get("name") or ""), str(port.get("protocol") or "TCP"), int(port.get("port") or 0))
        for port in manifest.get("ports") or ()
    )
    return ours, manifest["addressType"], tuple(endpoints), tuple(ports)


def patch_of(manifest: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Return the merge patch that makes an object, as it was at a version, what a manifest says."""
    metadata = {"labels": manifest["metadata"]["labels"], "resourceVersion": version}
    if manifest["kind"] == SERVICE:
        return {"metadata": metadata, "spec": {"ports": manifest["spec"]["ports"]}}
    return {"metadata": metadata, "endpoints": manifest["endpoints"], "ports": manifest["ports"]}


def service_of(manifest: Mapping[str, Any]) -> str:
    """Return the name of the Service that an object of ours is, or is of."""
    metadata = manifest["metadata"]
    name = metadata["name"] if manifest["kind"] == SERVICE else metadata["labels"].get(SERVICE_NAME)
    return str(name or "")


def namespace_manifest(name: str) -> dict[str, Any]:
    """Return a namespace; it has no backend's label, for it is everybody's."""
    return {
        "apiVersion": "v1",
        "kind": NAMESPACE,
        "metadata": {"name": name, "labels": {MANAGED_BY: MANAGER}},
    }


def _metadata(namespace: str, name: str, backend: str, **more: str) -> dict[str, Any]:
    return {"name": name, "namespace": namespace, "labels": {BACKEND: backend, MANAGED_BY: MANAGER} | more}


def _service_port(port: Mapping[str, Any]) -> tuple[str, str, int, str]:
    number = int(port["port"])
    target = str(port.get("targetPort") or number)
    return str(port.get("name") or ""), str(port.get("protocol") or "TCP"), number, target


def _slices(key: Key, service: Upstream, backend: str) -> Iterator[dict[str, Any]]:
    """Yield as few slices as carry every port with its addresses, by family; none for a service that leads nowhere."""
    namespace, name = key
    labels = {SERVICE_NAME: name, SLICE_MANAGER: MANAGER}
    numbers: dict[str, int] = defaultdict(int)
    for family, addresses, ports in _groups(service):
        numbers[family] += 1
        number = numbers[family]
        # A dot is in no Service's name, so these are in no other's way.
        parts = [name, *(["v6"] if family == "IPv6" else []), *([str(number)] if number > 1 else [])]
        yield {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": SLICE,
            "metadata": _metadata(namespace, ".".join(parts), backend, **labels),
            "addressType": family,
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in addresses],
            "ports": ports,
        }


def _groups(service: Upstream) -> list[tuple[str, tuple[str, ...], list[dict[str, Any]]]]:
    """Return families, addresses and the ports that all of them have: what one slice can say."""
    by_number: dict[tuple[str, str, str, int], set[str]] = defaultdict(set)
    for port in service.ports or ():
        for address, number in port.endpoints:
            by_number[_family(address), port.name, port.protocol, number].add(address)
    by_addresses: dict[tuple[str, tuple[str, ...]], list[dict[str, Any]]] = defaultdict(list)
    for (family, name, protocol, number), addresses in sorted(by_number.items()):
        by_addresses[family, tuple(sorted(addresses))].append(
            {"name": name, "protocol": protocol, "port": number}
        )
    return [
        (family, some, ports)
        for (family, addresses), several in by_addresses.items()
        for ports in _rows(several)
        for some in _chunks(addresses)
    ]


def _rows(ports: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return ports in rows within which each name is once, as the API has it."""
    rows: list[list[dict[str, Any]]] = []
    for port in ports:
        for row in rows:
            if len(row) < PORTS_LIMIT and all(one["name"] != port["name"] for one in row):
                row.append(port)
                break
        else:
            rows.append([port])
    return rows


def _chunks(addresses: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for at in range(0, len(addresses), ENDPOINTS_LIMIT):
        yield addresses[at : at + ENDPOINTS_LIMIT]


def _family(address: str) -> str:
    return f"IPv{ipaddress.ip_address(address).version}" if ":" in address else "IPv4"
