"""What every object on a cluster has, and the few that everything else is put into."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Object: TypeAlias = "dict[str, Any]"
"""One object as the API server takes it."""

ROLE = "seatrial.dev/role"
"""The label of a node by whose value it is for the load, the proxies or the origin."""
NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
HTTP_PORT, HTTPS_PORT = 80, 443


@dataclass(frozen=True, slots=True)
class Site:
    """Where on a cluster a system goes: a ``namespace`` of its own, under the ``label`` that its plan gives it.

    ``nodes`` are the labels that nodes for proxies have; empty is any node. Cluster-wide names begin with the
    namespace's, so that two runs do not meet.
    """

    namespace: str
    label: str
    nodes: Mapping[str, str] = field(default_factory=dict)

    def metadata(self, name: str, **further: Any) -> dict[str, Any]:
        """Return the metadata of an object in the namespace."""
        labels = {NAME: name, INSTANCE: self.label}
        return {"name": name, "namespace": self.namespace, "labels": labels, **further}

    def cluster_name(self, name: str) -> str:
        """Return the name of something that no namespace holds."""
        return f"{self.namespace}-{name}"

    def cluster_metadata(self, name: str) -> dict[str, Any]:
        """Return the metadata of such a thing."""
        return {"name": self.cluster_name(name), "labels": {NAME: name, INSTANCE: self.label}}


def namespace(site: Site) -> Object:
    """Return the namespace, in which no pod may have rights over its node."""
    labels = {INSTANCE: site.label, "pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": site.namespace, "labels": labels}}


def service(site: Site, name: str, app: str, ports: Mapping[str, tuple[int, int]]) -> Object:
    """Return a Service in front of the pods of ``app``: each of the ``ports`` with the pod's own."""
    given = [
        {"name": port, "port": outer, "targetPort": inner, "protocol": "TCP"}
        for port, (outer, inner) in ports.items()
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": site.metadata(name),
        "spec": {"selector": {NAME: app, INSTANCE: site.label}, "ports": given},
    }


def config_map(site: Site, name: str, files: Mapping[str, str]) -> Object:
    """Return files for pods."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": site.metadata(name),
        "data": dict(files),
    }
