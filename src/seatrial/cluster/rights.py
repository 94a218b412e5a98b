"""Rights on a cluster: which are needed, which of them are missing, and the least role that has them all."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.cluster.objects import WINDOW, in_window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from seatrial.cluster.client import Client

ROLE = "seatrial"
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_RBAC = "rbac.authorization.k8s.io/v1"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """May do something with a kind of object; ``resource`` is its plural, ``namespace`` empty for the whole cluster.

    ``why`` is for people: what Seatrial does with it. Without one that ``is_optional`` less is known; nothing fails.
    """

    group: str
    resource: str
    subresource: str
    verb: str
    namespace: str = ""
    why: str = field(default="", compare=False)
    is_optional: bool = False

    def __str__(self) -> str:
        kind = f"{self.resource}{f'.{self.group}' if self.group else ''}"
        sub = f"/{self.subresource}" if self.subresource else ""
        return f"{self.verb} {kind}{sub}{f' in {self.namespace}' if self.namespace else ''}"


def rights_to(
    verbs: str,
    resources: str,
    *,
    group: str = "",
    namespace: str = "",
    why: str = "",
    is_optional: bool = False,
) -> tuple[Right, ...]:
    """Return those for each verb on each resource, with blanks between: ``"get list", "pods pods/log"``."""
    return tuple(
        Right(
            group, resource.partition("/")[0], resource.partition("/")[2], verb, namespace, why, is_optional
        )
        for resource in resources.split()
        for verb in verbs.split()
    )


async def missing_rights(client: Client, rights: Iterable[Right]) -> tuple[Right, ...]:
    """Return those that whoever asks does not have, in their order; asks the cluster, and changes nothing.

    Everybody who is known to a cluster may ask that of themselves (``system:basic-user``).
    """
    wanted = list(dict.fromkeys(rights))

    async def is_allowed(right: Right) -> bool:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": _attributes(right)},
        }
        answer = await client.post(_REVIEWS, review, again=True, asked=f"ask for the right to {right}")
        return bool(answer.body["status"].get("allowed"))

    allowed = await in_window(wanted, is_allowed, WINDOW)
    return tuple(right for right, is_there in zip(wanted, allowed, strict=True) if not is_there)


def is_enough(missing: Iterable[Right]) -> bool:
    """Return whether nothing fails for what is missing."""
    return all(right.is_optional for right in missing)


def least_roles(rights: Iterable[Right], name: str = ROLE) -> tuple[dict[str, Any], ...]:
    """Return the least roles that have these rights: a ClusterRole, and a Role for each namespace that is named."""
    by_namespace: defaultdict[str, list[Right]] = defaultdict(list)
    for right in rights:
        by_namespace[right.namespace].append(right)
    return tuple(_role(name, namespace, of) for namespace, of in sorted(by_namespace.items()))


def _attributes(right: Right) -> dict[str, str]:
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        "subresource": right.subresource,
        "namespace": right.namespace,
    }
    return {name: value for name, value in attributes.items() if value}


def _role(name: str, namespace: str, rights: list[Right]) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    kind = "Role" if namespace else "ClusterRole"
    return {"apiVersion": _RBAC, "kind": kind, "metadata": metadata, "rules": _rules(rights)}


def _rules(rights: list[Right]) -> list[Mapping[str, Any]]:
    """Return them as rules: one for all resources of a group that the same may be done with."""
    verbs: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for right in rights:
        name = f"{right.resource}/{right.subresource}" if right.subresource else right.resource
        verbs[right.group, name].add(right.verb)
    alike: defaultdict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for (group, name), of in sorted(verbs.items()):
        alike[group, tuple(sorted(of))].append(name)
    return [
        {"apiGroups": [group], "resources": names, "verbs": list(of)}
        for (group, of), names in sorted(alike.items())
    ]
