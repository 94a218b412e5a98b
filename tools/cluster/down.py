"""Ending a cluster, however far it came, and removing all that it has left."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault
from tools.cluster import cgroups, layout, namespaces, processes, remains
from tools.cluster.up import may_be_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.cluster.layout import Cluster

LISTED_LIMIT = 10


def down(cluster: Cluster, report: Callable[[str], None]) -> None:
    """End a cluster; harmless where there is none. Raises ``EnvironmentFault`` where something is left even so."""
    may_be_here()
    if os.getpid() in remains.processes_of(cluster):
        raise EnvironmentFault(
            "this command is inside of the cluster that it is to remove",
            next_step="call it from outside of the cluster's namespaces",
        )
    with layout.alone(f"cluster-{cluster.name}"):
        # First those that would start others again.
        agents = {name for name in processes.recorded(cluster) if name.startswith("kubelet-")}
        processes.kill(lambda: {pid for name, pid in processes.recorded(cluster).items() if name in agents})
        processes.kill(lambda: remains.processes_of(cluster))
        namespaces.remove(cluster)
        cgroups.remove(cluster.cgroup)
        shutil.rmtree(cluster.home, ignore_errors=True)
        left = remains.scan(cluster)
    if left:
        raise EnvironmentFault(
            f"something of cluster {cluster.name} is left",
            cause="\n".join(left[:LISTED_LIMIT]),
            next_step="call down again; what it cannot remove is in use by somebody",
        )
    report(f"cluster {cluster.name} is down; nothing is left")
