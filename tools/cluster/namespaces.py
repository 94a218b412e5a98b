"""The networks of a cluster and their links, and the mount namespaces of its nodes: made where they are not there yet.

A node's mount namespace gives it a /run, /var/lib and /var/log of its own. So containerd, kubelet and the network
plugins keep everything where they always do, and several nodes do not meet. What they mount is gone with the namespace.
"""

from __future__ import annotations

import re
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from seatrial.errors import EnvironmentFault
from tools.cluster.layout import (
    CONTROL_ADDRESS,
    NODE_FOLDERS,
    NODES_PREFIX_BITS,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.machine.namespace import Namespace
    from tools.cluster.layout import Cluster, Node

BRIDGE = "nodes"
TO_HOST = "host"
TO_BRIDGE = "eth0"
COMMAND_LIMIT_S = 60.0
KUBELET_SETTINGS = {
    "vm/overcommit_memory": "1",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""A kubelet sets these of the whole machine when it starts. In its mount namespace a file with the value that it wants
lies over each, so it finds it set, and this machine stays as it is."""
_ESCAPED = re.compile(r"\\([0-7]{3})")
_BIND = 'while [ $# -gt 0 ]; do mount --bind "$1" "$2" || exit 1; shift 2; done'


def make(cluster: Cluster) -> None:
    """Make what is missing. Raises ``EnvironmentFault`` where this machine does not allow it."""
    for namespace in cluster.namespaces:
        if not namespace.path.exists():
            run("ip", "netns", "add", namespace.name)
        run("ip", "-n", namespace.name, "link", "set", "lo", "up")
    _make_control(cluster)
    for node in cluster.nodes:
        _join(node)
        _make_mounts(node)


def remove(cluster: Cluster) -> None:
    """Remove them all; nothing may run in them any more. The link to this machine goes with its other end."""
    for node in cluster.nodes:
        _unmount(node.mounts)
    _unmount(cluster.mounts)
    for namespace in cluster.namespaces:
        if namespace.path.exists():
            run("ip", "netns", "delete", namespace.name)
    # A network lives on for a moment after its name.
    with suppress(EnvironmentFault):
        run("ip", "link", "delete", cluster.host_link)


def mounted() -> list[Path]:
    """Return where something is mounted on this machine, the latest last (proc_pid_mountinfo(5))."""
    places = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return [Path(_ESCAPED.sub(lambda found: chr(int(found[1], 8)), place)) for place in places]


def run(
    *argv: str, given: str = "", file: IO[bytes] | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """Run a command that takes no time and return what it prints; raises ``EnvironmentFault`` where it fails.

    It reads what is given, or a file.
    """
    try:
        done = subprocess.run(
            argv, input=None if file else given, stdin=file, capture_output=True, text=True,
            timeout=COMMAND_LIMIT_S, check=False, env=environment,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFault(f"{' '.join(argv[:4])} cannot be run", cause=str(error)) from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-5:]
        raise EnvironmentFault(
            f"this failed: {' '.join(argv)}", cause="\n".join(said) or f"exit status {done.returncode}"
        )
    return done.stdout


def inside(node: Node, *argv: str) -> tuple[str, ...]:
    """Return the command that becomes this one on a node: in its network, with its folders."""
    return ("nsenter", f"--net={node.namespace.path}", f"--mount={node.mounts}", "--", *argv)


def _make_control(cluster: Cluster) -> None:
    """Make the bridge that joins the nodes, which is the control plane's address, and the link to this machine."""
    control = cluster.control
    if not _has_link(control, BRIDGE):
        run("ip", "-n", control.name, "link", "add", BRIDGE, "type", "bridge")
    if not _has_link(control, TO_HOST):
        run(
            *("ip", "link", "add", cluster.host_link, "type", "veth"),
            *("peer", "name", TO_HOST, "netns", control.name),
        )
    bits = f"/{NODES_PREFIX_BITS}"
    _batch(
        control,
        f"address replace {CONTROL_ADDRESS}{bits} dev {BRIDGE}",
        f"link set {BRIDGE} up",
        f"address replace {cluster.api_address}/30 dev {TO_HOST}",
        f"link set {TO_HOST} up",
        # It leads nowhere, but some components look for one before they start.
        f"route replace default dev {BRIDGE}",
    )
    run("ip", "address", "replace", f"{cluster.host_address}/30", "dev", cluster.host_link)
    run("ip", "link", "set", cluster.host_link, "up")


def _join(node: Node) -> None:
    """Link a node with the bridge, and say where the pods of the others are."""
    control, own = node.cluster.control, node.namespace
    if not _has_link(own, TO_BRIDGE):
        ends = ("link", "add", node.name, "netns", control.name, "type", "veth")
        run("ip", *ends, "peer", "name", TO_BRIDGE, "netns", own.name)
    _batch(control, f"link set {node.name} master {BRIDGE} up")
    others = [other for other in node.cluster.nodes if other != node]
    _batch(
        own,
        f"address replace {node.address}/{NODES_PREFIX_BITS} dev {TO_BRIDGE}",
        f"link set {TO_BRIDGE} up",
        f"route replace default via {CONTROL_ADDRESS}",
        *(f"route replace {other.pod_network} via {other.address}" for other in others),
    )
    _batch(control, f"route replace {node.pod_network} via {node.address}")
    # A node passes packets on to its pods, and answers on 127.0.0.1 for node ports.
    for setting in ("ip_forward", "conf/all/route_localnet"):
        run(*own.within(("sh", "-c", f"echo 1 > /proc/sys/net/ipv4/{setting}")))


def _make_mounts(node: Node) -> None:
    """Make a node's mount namespace, which a file keeps alive, whatever becomes of the processes in it."""
    folder = node.cluster.mounts
    folder.mkdir(parents=True, exist_ok=True)
    if folder not in mounted():
        # The kernel wants the file in a place that it does not hand on to other mount namespaces.
        run("mount", "--bind", str(folder), str(folder))
        run("mount", "--make-private", str(folder))
    if node.mounts in mounted():
        return
    node.mounts.touch()
    binds = []
    for name, place in NODE_FOLDERS.items():
        (node.home / name).mkdir(parents=True, exist_ok=True)
        binds += [str(node.home / name), place]
    for setting, value in KUBELET_SETTINGS.items():
        file = node.home / "settings" / setting.replace("/", ".")
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{value}\n")
        binds += [str(file), f"/proc/sys/{setting}"]
    run("unshare", f"--mount={node.mounts}", "--propagation", "private", "sh", "-c", _BIND, "sh", *binds)


def _has_link(namespace: Namespace, name: str) -> bool:
    try:
        run("ip", "-n", namespace.name, "link", "show", name)
    except EnvironmentFault:
        return False
    return True


def _batch(namespace: Namespace, *lines: str) -> None:
    run("ip", "-n", namespace.name, "-batch", "-", given="\n".join(lines))


def _unmount(path: Path) -> None:
    # One that was mounted twice is there twice.
    for _ in range(mounted().count(path)):
        run("umount", str(path))
