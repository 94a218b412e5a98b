"""The rights on a cluster that installing a system takes: to make its objects, and to grant what its controller needs.

Kubernetes lets nobody grant a right that they do not have themselves ("privilege escalation prevention"), so what a
controller may do is among what Seatrial has to be allowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.cluster.rights import Right, rights_to
from seatrial.systems.installed.kinds.choice import recipe_of
from seatrial.systems.installed.kinds.recipe import Asked
from seatrial.systems.installed.manifests.objects import Site
from seatrial.systems.installed.statuses import API_VERSIONS
from seatrial.topology.expand import expand
from seatrial.topology.options import TopologyPlan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.systems.installed.manifests.objects import Object
    from seatrial.systems.options import SystemOptions

MAKE = "create get list patch delete"
"""What applying an object takes, waiting for it, and removing it again."""
_PLURALS = {"HTTPProxy": "httpproxies", "EnvoyProxy": "envoyproxies"}
_SITE = Site("any", "any")
READING = (
    *rights_to("get list", "pods", why="which proxies there are, and what has become of them"),
    *rights_to(
        "get", "pods/proxy", why="what each proxy counts, what is in force, and whether its routes are live"
    ),
)


def rights_of(options: SystemOptions) -> tuple[Right, ...]:
    """Return what one system of a plan takes, each right once."""
    recipe = recipe_of(options, _SITE)
    asked = Asked(has_tls=False, max_connections=0)
    topology = expand(TopologyPlan(), ())
    objects = [*recipe.system(asked), *recipe.topology(topology, asked, None)]
    slices = rights_to(MAKE, "endpointslices", group="discovery.k8s.io", why="the origin's addresses")
    secrets = rights_to(MAKE, "secrets", why="the certificate of a load over TLS")
    definitions = rights_to(
        MAKE, "customresourcedefinitions", group="apiextensions.k8s.io", why="kinds that the cluster lacks"
    )
    made = [right for one in objects for right in _to_make(one)]
    granted = [right for one in objects for right in _granted(one)]
    return tuple(dict.fromkeys((*READING, *made, *slices, *secrets, *definitions, *granted)))


def rights_to_restart() -> tuple[Right, ...]:
    """Return what it takes to have a controller's pods replaced."""
    return rights_to("delete", "pods", why="`restart controller`: others take the place of its pods")


def rights_to_follow(options: SystemOptions) -> tuple[Right, ...]:
    """Return what it takes to see when the status of a changed route is written."""
    recipe = recipe_of(options, _SITE)
    kind, group = recipe.dialect, API_VERSIONS[recipe.dialect].rpartition("/")[0]
    return rights_to("list watch", _plural(kind), group=group, why="when a changed route's status is written")


def _to_make(one: Object) -> tuple[Right, ...]:
    kind, group = str(one["kind"]), str(one["apiVersion"]).rpartition("/")[0]
    return rights_to(MAKE, _plural(kind), group=group, why="the system and its routes")


def _plural(kind: str) -> str:
    if kind.endswith("Policy"):
        return f"{kind[:-1].lower()}ies"
    return _PLURALS.get(kind) or f"{kind.lower()}{'es' if kind.endswith('s') else 's'}"


def _granted(one: Object) -> Iterator[Right]:
    for rule in one.get("rules", ()) if one["kind"] in {"Role", "ClusterRole"} else ():
        for group in rule["apiGroups"]:
            yield from rights_to(
                " ".join(rule["verbs"]),
                " ".join(rule["resources"]),
                group=group,
                why="granted to its controller",
            )
