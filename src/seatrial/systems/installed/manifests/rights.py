"""Who a controller is to the API server, and the least that it has to be allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.systems.installed.manifests.objects import Object, Site

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

RBAC = "rbac.authorization.k8s.io"
READ = ("get", "list", "watch")
GATEWAY_API = "gateway.networking.k8s.io"


@dataclass(frozen=True, slots=True)
class Rule:
    """That some resources of one API group ("" is the core) may be dealt with by these verbs."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...] = READ

    @property
    def plain(self) -> dict[str, list[str]]:
        """The rule as it stands in a role."""
        return {"apiGroups": [self.group], "resources": list(self.resources), "verbs": list(self.verbs)}


def rights(site: Site, name: str, within: Iterable[Rule], across: Iterable[Rule] = ()) -> Iterator[Object]:
    """Yield a service account, what it may do ``within`` the namespace, and what ``across`` the cluster."""
    yield {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": site.metadata(name),
        "automountServiceAccountToken": False,
    }
    subject = {"kind": "ServiceAccount", "name": name, "namespace": site.namespace}
    rules = [rule.plain for rule in within]
    yield {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": site.metadata(name), "rules": rules}
    yield {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": site.metadata(name),
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
        "subjects": [subject],
    }
    if not (everywhere := [rule.plain for rule in across]):
        return
    metadata = site.cluster_metadata(name)
    yield {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": everywhere}
    yield {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": site.cluster_name(name)},
        "subjects": [subject],
    }
