"""A system of a plan on a cluster: installed there, found, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.systems.direct import DirectOptions
from seatrial.systems.installed.direct import DirectPods
from seatrial.systems.installed.found import Found
from seatrial.systems.installed.kinds.choice import recipe_of
from seatrial.systems.installed.kinds.found import FoundOptions
from seatrial.systems.installed.system import Installed

if TYPE_CHECKING:
    from seatrial.cluster.owned import Owned
    from seatrial.systems.installed.manifests.objects import Site
    from seatrial.systems.options import SystemOptions


def create(options: SystemOptions, site: Site, run: Owned) -> Installed | Found | DirectPods:
    """Return the system, not started. ``run`` owns what outlives a trial: the definitions of kinds.

    Raises ``PlanError`` where there is none of it on a cluster.
    """
    if isinstance(options, DirectOptions):
        return DirectPods()
    if isinstance(options, FoundOptions):
        return Found(options, site, run)
    return Installed(recipe_of(options, site), run)
