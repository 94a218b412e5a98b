"""The cluster's objects, by kubectl: what it needs itself, and how to ask for others."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from tools.cluster import namespaces
from tools.cluster.build import program
from tools.cluster.layout import CONTROL_ADDRESS, DNS_SERVICE_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tools.cluster.layout import Cluster

Object = dict[str, Any]
_RBAC = "rbac.authorization.k8s.io"


def kubectl(cluster: Cluster, *words: str, given: str = "") -> str:
    """Return what kubectl prints; raises ``EnvironmentFault`` where it fails."""
    # A proxy that this machine is to use does not lead to the cluster.
    environment = {name: text for name, text in os.environ.items() if not name.lower().endswith("_proxy")}
    environment["KUBECACHEDIR"] = str(cluster.home / "kubectl-cache")
    argv = (program("kubectl"), f"--kubeconfig={cluster.kubeconfig}", *words)
    return namespaces.run(*argv, given=given, environment=environment)


def apply(cluster: Cluster, objects: Iterable[Mapping[str, Any]]) -> None:
    """Have these objects be as they are given."""
    given = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    kubectl(cluster, "apply", "--server-side", "--force-conflicts", "-f", "-", given=given)


def of_the_cluster() -> list[Object]:
    """Return what every cluster has: its DNS server as a Service, and what that may read.

    The server runs beside the API server, so the Service says itself where it is.
    """
    ports = [{"name": name.lower(), "port": 53, "protocol": name} for name in ("UDP", "TCP")]
    name, namespace = "kube-dns", "kube-system"
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"clusterIP": DNS_SERVICE_ADDRESS, "ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{name}-1",
                "namespace": namespace,
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": [{"addresses": [CONTROL_ADDRESS], "conditions": {"ready": True}}],
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "seatrial:dns"},
            "rules": [
                _may_watch("", "services", "pods", "namespaces"),
                _may_watch("discovery.k8s.io", "endpointslices"),
            ],
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "seatrial:dns"},
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "seatrial:dns"},
            "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": "seatrial:dns"}],
        },
    ]


def _may_watch(group: str, *resources: str) -> Object:
    return {"apiGroups": [group], "resources": list(resources), "verbs": ["list", "watch"]}
