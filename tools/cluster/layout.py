"""A cluster's names, folders and addresses. All of it follows from the cluster's name, so nothing has to be remembered.

::

    this machine ── 10.201.x.y/30 ── lab-NAME-control ── bridge 10.200.0.0/24 ─┬─ lab-NAME-load    pods 10.244.1.0/24
                                     API server, etcd, DNS                     ├─ lab-NAME-proxy   pods 10.244.2.0/24
                                     10.200.0.1                                └─ lab-NAME-origin  pods 10.244.3.0/24

Only the link to this machine is visible outside; what is behind it has the same addresses in every cluster.
"""

from __future__ import annotations

import fcntl
import math
import os
import re
import time
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import IO, TYPE_CHECKING

from seatrial.errors import EnvironmentFault, PlanError
from seatrial.machine.namespace import Namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE_VARIABLE = "SEATRIAL_CLUSTER_CACHE"
ROLES = ("load", "proxy", "origin")
ROLE_LABEL = "seatrial.dev/role"
CONTROL_ADDRESS = "10.200.0.1"
NODES_PREFIX_BITS = 24
POD_NETWORK = "10.244.0.0/16"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
DNS_SERVICE_ADDRESS = "10.96.0.10"
API_PORT = 6443
DOMAIN = "cluster.local"

NODE_FOLDERS = {"run": "/run", "lib": "/var/lib", "log": "/var/log"}
"""Folders that each node has for itself: where containerd, kubelet and the network plugins keep their state."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?", re.ASCII)
_HOST_LINKS = IPv4Address("10.201.0.0")
_POLL_S = 0.05
_HOST_LINKS_LIMIT = 16_384
"""As many /30 networks are in 10.201.0.0/16."""


def cache() -> Path:
    """Return the folder of what is built and of the clusters' states; it may be removed when all are down."""
    named = os.environ.get(CACHE_VARIABLE)
    folder = Path(named) if named else Path.home() / ".cache" / "seatrial-cluster"
    folder = folder.resolve()
    hidden = [place for place in NODE_FOLDERS.values() if folder.is_relative_to(place)]
    if hidden:
        raise EnvironmentFault(
            f"the cluster cannot be kept in {folder}",
            cause=f"each node has a {hidden[0]} of its own and would not see it",
            next_step=f"set {CACHE_VARIABLE} to a folder elsewhere",
        )
    return folder


@contextmanager
def alone(what: str, limit_s: float = math.inf) -> Iterator[None]:
    """Have one command at a time do something to the cache; another one waits for it, for so long at most."""
    folder = cache() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    deadline_s = time.monotonic() + limit_s
    with (folder / what).open("w") as lock:
        while not _is_taken(lock):
            if time.monotonic() > deadline_s:
                raise EnvironmentFault(f"another command was at work on {what} for {limit_s:.0f} s")
            time.sleep(_POLL_S)
        yield


def _is_taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Node:
    """A node: a network namespace and a mount namespace in which containerd, kubelet and kube-proxy run."""

    cluster: Cluster
    role: str

    @property
    def name(self) -> str:
        """Its name in the cluster, that of its role."""
        return self.role

    @property
    def namespace(self) -> Namespace:
        """Its network."""
        return Namespace(f"lab-{self.cluster.name}-{self.role}")

    @property
    def address(self) -> str:
        """Where the other nodes reach it."""
        return f"10.200.0.{1 + self._number}"

    @property
    def pod_network(self) -> str:
        """The addresses of its pods."""
        return f"10.244.{self._number}.0/24"

    @property
    def home(self) -> Path:
        """Where its own /run, /var/lib and /var/log are, as this machine sees them."""
        return self.cluster.home / "nodes" / self.role

    @property
    def mounts(self) -> Path:
        """The file that stands for its mount namespace."""
        return self.cluster.mounts / self.role

    @property
    def cgroup(self) -> str:
        """The control group below which its pods are: a kubelet removes pods below its root that it does not know."""
        return f"{self.cluster.cgroup}/{self.role}"

    @property
    def _number(self) -> int:
        return 1 + ROLES.index(self.role)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster by its name."""

    name: str = "seatrial"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise PlanError(
                f"{self.name!r} is no name for a cluster",
                cause="it becomes part of the names of network namespaces and folders",
                next_step="use up to 30 letters a to z, digits and hyphens",
            )

    @property
    def home(self) -> Path:
        """Its state; gone when it is down."""
        return cache() / "clusters" / self.name

    @property
    def mounts(self) -> Path:
        """Where the files are that stand for the nodes' mount namespaces."""
        return self.home / "mounts"

    @property
    def pki(self) -> Path:
        """Certificates, keys and kubeconfigs."""
        return self.home / "pki"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, good on this machine and inside of the cluster's namespaces."""
        return self.pki / "admin.kubeconfig"

    @property
    def control(self) -> Namespace:
        """The network of the control plane."""
        return Namespace(f"lab-{self.name}-control")

    @property
    def nodes(self) -> tuple[Node, ...]:
        """One a role."""
        return tuple(Node(self, role) for role in ROLES)

    @property
    def namespaces(self) -> tuple[Namespace, ...]:
        """All of its networks."""
        return (self.control, *(node.namespace for node in self.nodes))

    @property
    def cgroup(self) -> str:
        """The control group of everything that runs in pods."""
        return f"/lab-{self.name}"

    @property
    def host_link(self) -> str:
        """The link on this machine that leads to the API server; the kernel allows 15 characters."""
        return f"lab-{zlib.crc32(self.name.encode()):08x}"

    @property
    def host_address(self) -> str:
        """This machine's address on that link, of a network of four addresses."""
        return str(self._host_network + 1)

    @property
    def api_address(self) -> str:
        """The API server's address on that link."""
        return str(self._host_network + 2)

    @property
    def api_url(self) -> str:
        """Where this machine, and whoever is inside, reaches the API server."""
        return f"https://{self.api_address}:{API_PORT}"

    @property
    def _host_network(self) -> IPv4Address:
        return _HOST_LINKS + 4 * (zlib.crc32(self.name.encode()) % _HOST_LINKS_LIMIT)
