"""Starting a cluster, from whatever state it is in."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault
from seatrial.machine import proc
from tools.cluster import (
    build,
    control_plane,
    debian,
    layout,
    namespaces,
    node,
    objects,
    processes,
)
from tools.cluster.access import certificates
from tools.cluster.images import catalogue
from tools.cluster.programs import NEEDED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.cluster.images.oci import Image
    from tools.cluster.layout import Cluster, Node

    Report = Callable[[str], None]

READY_LIMIT_S = 120.0
LOOK_S = 5
SYSTEM_PROGRAMS = ("ip", "nsenter", "unshare", "mount", "umount")


def up(cluster: Cluster, report: Report) -> bool:
    """Build what is missing and start what does not run; return whether there was anything to start.

    When it returns, the three nodes are ready for pods. Raises ``EnvironmentFault`` where that cannot be had here, or
    not in time; what was started stays, for its logs, until ``down``.
    """
    may_be_here()
    debian.provide(report)
    build.build(NEEDED, report)
    images = catalogue.make(report)
    with layout.alone(f"cluster-{cluster.name}"):
        _begin(cluster)
        namespaces.make(cluster)
        certificates.make(cluster)
        _link_kubectl(cluster)
        changed = _start(cluster, images, report)
    report(f"cluster {cluster.name} {'is up' if changed else 'was up'}: KUBECONFIG={cluster.kubeconfig}")
    return changed


def may_be_here() -> None:
    """Raise ``EnvironmentFault`` where this user or this machine can have no cluster."""
    if os.geteuid() != 0:
        raise EnvironmentFault(
            "a cluster needs root",
            cause="nodes are network and mount namespaces, and their pods control groups",
            next_step="run it as root, or in a privileged container",
        )
    lacking = [name for name in SYSTEM_PROGRAMS if shutil.which(name) is None]
    if lacking:
        raise EnvironmentFault(
            f"there is no {', no '.join(lacking)}", next_step="install iproute2, mount and util-linux"
        )


def _begin(cluster: Cluster) -> None:
    """Throw away what a cluster has left that went with an earlier boot: its store was never waited for."""
    note = cluster.home / "boot"
    if cluster.home.exists() and (not note.exists() or note.read_text() != proc.boot_id()):
        shutil.rmtree(cluster.home)
    cluster.home.mkdir(parents=True, exist_ok=True)
    note.write_text(proc.boot_id())


def _start(cluster: Cluster, images: list[Image], report: Report) -> bool:
    with ThreadPoolExecutor(1 + len(cluster.nodes)) as threads:
        # Importing images takes longest and needs no API server.
        readied = [threads.submit(_runtime, one, images) for one in cluster.nodes]
        changed = _start_control_plane(cluster)
        imported = [future.result() for future in readied]
        changed |= any(imported)
        report("control plane and containerd run")
        objects.apply(cluster, objects.of_the_cluster())
        changed |= processes.run(cluster, control_plane.dns(cluster))
        started = list(threads.map(_agents, cluster.nodes))
        changed |= any(started)
    _await_nodes(cluster)
    return changed


def _start_control_plane(cluster: Cluster) -> bool:
    changed = processes.run(cluster, control_plane.etcd(cluster))
    changed |= processes.run(cluster, control_plane.api_server(cluster))
    changed |= processes.run(cluster, control_plane.controller_manager(cluster))
    return changed | processes.run(cluster, control_plane.scheduler(cluster))


def _runtime(one: Node, images: list[Image]) -> bool:
    started = processes.run(one.cluster, node.containerd(one))
    return bool(node.import_images(one, images)) or started


def _agents(one: Node) -> bool:
    started = processes.run(one.cluster, node.kubelet(one))
    return processes.run(one.cluster, node.kube_proxy(one)) or started


def _await_nodes(cluster: Cluster) -> None:
    """Wait until pods can be made: each node is ready, and there is the account that pods have by default."""

    def said(*words: str) -> str | None:
        try:
            return objects.kubectl(cluster, *words)
        except EnvironmentFault:
            return None

    def there(*words: str) -> bool:
        return said("wait", *words, f"--timeout={LOOK_S}s") is not None

    def takes_pods(one: Node) -> bool:
        # That a node is not ready is a taint, too, which goes a moment after it is.
        taints = ("get", "node", one.name, "-o", "jsonpath={.spec.taints}")
        return there("--for=condition=Ready", f"node/{one.name}") and said(*taints) == ""

    def wait(what: str, daemon: str, true: Callable[[], bool]) -> None:
        processes.wait_until(true, what, READY_LIMIT_S, cluster, daemon)

    account = partial(there, "--for=create", "serviceaccount/default")
    wait("pods may be made", "kube-controller-manager", account)
    for one in cluster.nodes:
        wait(f"node {one.name} is ready", f"kubelet-{one.name}", partial(takes_pods, one))


def _link_kubectl(cluster: Cluster) -> None:
    """Have kubectl under its own name, for the shell that ``env`` is for."""
    link = cluster.home / "bin" / "kubectl"
    if not link.exists():
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(build.program("kubectl"))
