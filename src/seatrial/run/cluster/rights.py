"""Every right that Seatrial needs on a cluster, as the rooms that use them state them: to add a room is a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.cluster import nodes, owned
from seatrial.cluster.pods import node
from seatrial.observe import cluster_events
from seatrial.pods import on_cluster as pods
from seatrial.systems.installed import rights as systems
from seatrial.systems.installed.kinds.found import FoundOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seatrial.cluster.rights import Right
    from seatrial.plan.cases import Case

RIGHTS: Mapping[str, tuple[Right, ...]] = {
    "objects": owned.RIGHTS,
    "workers and origins": pods.RIGHTS,
    "nodes": nodes.RIGHTS,
    "what pods use": (*node.RIGHTS, *cluster_events.RIGHTS),
}
"""By what needs them."""


def every_right() -> tuple[Right, ...]:
    """Return all of them, each once."""
    return tuple(dict.fromkeys(right for rights in RIGHTS.values() for right in rights))


def rights_of_plan(cases: Sequence[Case]) -> tuple[Right, ...]:
    """Return those that the systems of a plan need as well, each once."""
    options = {case.system.label: case.system.options for case in cases}.values()
    installed = [one for one in options if one.proxied and not isinstance(one, FoundOptions)]
    further = (right for one in installed for right in systems.rights_of(one))
    changed = {case.system.label: case.system.options for case in cases if case.objects is not None}.values()
    followed = (right for one in changed for right in systems.rights_to_follow(one))
    done = {one.do for case in cases for one in case.disturbances}
    restarted = systems.rights_to_restart() if "restart controller" in done else ()
    return tuple(dict.fromkeys((*every_right(), *further, *followed, *restarted)))
