"""Looking for what is there of a cluster, by the kernel's own lists and not by what was written down."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.machine import proc
from tools.cluster import cgroups, namespaces, processes

if TYPE_CHECKING:
    from tools.cluster.layout import Cluster

_LINKS = Path("/sys/class/net")


def processes_of(cluster: Cluster) -> set[int]:
    """Return every process of a cluster: recorded ones, and whatever is in its networks or control groups.

    So the pods' processes are among them, and containerd's helpers, and what was started a moment ago.
    """
    found = set(processes.recorded(cluster).values()) | cgroups.members(cluster.cgroup)
    for namespace in cluster.namespaces:
        # Without a mount it is an empty file: whoever made it was killed half-way.
        with suppress(OSError):
            found |= set(namespace.pids())
    return {pid for pid in found if (stat := proc.stat(pid)) is not None and stat.state not in {"Z", "X"}}


def scan(cluster: Cluster) -> list[str]:
    """Return what is there of a cluster, a line each; nothing where it is down."""
    found = [f"process {pid}: {' '.join(proc.command_line(pid))}" for pid in sorted(processes_of(cluster))]
    found += [f"process {pid}: uses its files" for pid in _users_of(cluster)]
    found += [f"network namespace {space.name}" for space in cluster.namespaces if space.path.exists()]
    found += [f"link {cluster.host_link}"] if (_LINKS / cluster.host_link).exists() else []
    found += [f"mount {place}" for place in namespaces.mounted() if place.is_relative_to(cluster.home)]
    found += [f"control group {folder}" for folder in cgroups.folders(cluster.cgroup)]
    found += [f"folder {cluster.home}"] if cluster.home.exists() else []
    return found


def _users_of(cluster: Cluster) -> list[int]:
    """Return processes that are in a mount namespace of a node, by the /run that they have."""
    # By the end of the path: where a file system of its own holds the cache, the beginning is another.
    folders = [f"/clusters/{cluster.name}/nodes/{node.role}/run" for node in cluster.nodes]
    users = []
    for pid in proc.all_pids():
        with suppress(OSError):
            text = Path(f"/proc/{pid}/mountinfo").read_text()
            if pid != os.getpid() and any(folder in text for folder in folders):
                users.append(pid)
    return users
