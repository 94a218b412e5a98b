"""A node: containerd with its images, kubelet and kube-proxy, in namespaces of its own."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from seatrial.errors import EnvironmentFault
from tools.cluster import cgroups, debian, namespaces
from tools.cluster.build import program
from tools.cluster.images import asked, oci
from tools.cluster.images.catalogue import PAUSE
from tools.cluster.layout import DNS_SERVICE_ADDRESS, DOMAIN, POD_NETWORK, ROLE_LABEL
from tools.cluster.processes import Daemon, answers, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.cluster.images.oci import Image
    from tools.cluster.layout import Node

PODS_LIMIT = 250
"""A node has 254 addresses for them."""
EVICTION_FREE_MEMORY = "100Mi"
LOOK_EVERY = "500ms"
"""cAdvisor waits for one to two of these between two looks at a container at work (a kubelet has 10 s), and
for up to 30 s where nothing has changed."""
_BLOBS = "lib/containerd/io.containerd.content.v1.content/blobs/sha256"
_CONTAINERD = """\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{plugins}"
  conf_dir = "/var/lib/cni/configuration"
"""


def containerd(node: Node) -> Daemon:
    """Return what runs the containers of a node."""
    file = node.home / "lib/containerd/config.toml"
    write(file, _CONTAINERD.format(pause=PAUSE.reference, plugins=debian.plugins()))
    write(node.home / "lib/cni/configuration/10-pods.conflist", json.dumps(_pod_network(node), indent=1))
    argv = (str(debian.need("containerd")), "--config", "/var/lib/containerd/config.toml")
    return _daemon(node, "containerd", argv, lambda: _succeeds(node, "ctr", "version"))


def import_images(node: Node, images: Sequence[Image]) -> list[str]:
    """Give a node those images that it has not got, and the names that plans have for them; return what was given."""
    ctr = (str(debian.need("ctr")), "--namespace", "k8s.io")
    listed = namespaces.run(*namespaces.inside(node, *ctr, "images", "list"))
    # NAME TYPE DIGEST ...
    has = {tuple(line.split()[::2][:2]) for line in listed.splitlines()[1:]}
    wanted = [image for image in images if (image.reference, image.digest) not in has]
    for image in wanted:
        _import(node, image, ctr)
    named = [
        (name, image)
        for image in images
        for name in asked.of(image.reference)
        if (name, image.digest) not in has
    ]
    for name, image in named:
        namespaces.run(*namespaces.inside(node, *ctr, "images", "tag", "--force", image.reference, name))
    return [*(image.reference for image in wanted), *(name for name, _ in named)]


def _import(node: Node, image: Image, ctr: tuple[str, ...]) -> None:
    """Give a node an image without copying it: its layer is linked to where containerd would put it.

    Copied, the images would take most of a start, and their size on disk three times over. Nothing is unpacked before
    a pod needs it: most are needed on one node only.
    """
    packed = node.home / "lib/containerd/import.tar"
    with packed.open("wb") as file:
        oci.pack(image, file, with_layer=False)
    inside = "/var/lib/containerd/import.tar"
    namespaces.run(*namespaces.inside(node, *ctr, "images", "import", "--no-unpack", inside))
    packed.unlink()
    blob = node.home / _BLOBS / image.layer_digest.removeprefix("sha256:")
    if not blob.exists():
        os.link(image.layer_file, blob)
    size = str(image.layer_file.stat().st_size)
    ingest = (*ctr, "content", "ingest", "--expected-digest", image.layer_digest, "--expected-size", size)
    # It looks into the file, sees that all of it is there already, and notes that the layer is this image's.
    with image.layer_file.open("rb") as file:
        namespaces.run(*namespaces.inside(node, *ingest, image.layer_digest), file=file)


def kubelet(node: Node) -> Daemon:
    """Return the node's agent; the node carries its role as a label."""
    cgroups.make(node.cgroup)
    pki = node.cluster.pki
    write(node.home / "lib/kubelet/config.yaml", json.dumps(_kubelet_configuration(node), indent=1))
    argv = (
        program("kubelet"),
        "--config=/var/lib/kubelet/config.yaml",
        f"--kubeconfig={pki}/{node.name}-kubelet.kubeconfig",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
        f"--node-labels={ROLE_LABEL}={node.role}",
        f"--housekeeping-interval={LOOK_EVERY}",
        "--v=2",
    )
    return _daemon(node, "kubelet", argv, lambda: answers(node.namespace, "http://127.0.0.1:10248/healthz"))


def kube_proxy(node: Node) -> Daemon:
    """Return what makes the addresses of Services lead to their pods."""
    configuration = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(node.cluster.pki / "proxy.kubeconfig")},
        "clusterCIDR": POD_NETWORK,
        "mode": "iptables",
        "hostnameOverride": node.name,
        "bindAddress": node.address,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # The machine's own limits stay as they are.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
    # It ends itself when this file changes.
    write(node.home / "lib/kube-proxy/config.yaml", json.dumps(configuration, indent=1))
    argv = (program("kube-proxy"), "--config=/var/lib/kube-proxy/config.yaml")
    return _daemon(
        node, "kube-proxy", argv, lambda: answers(node.namespace, "http://127.0.0.1:10256/healthz")
    )


def _pod_network(node: Node) -> dict[str, Any]:
    """Return how a pod gets its link. Each is routed on its own, so that what a Service answers passes the node's NAT.

    On a bridge two pods of a node would answer each other past it, unless the kernel filters bridges.
    """
    ranges = [[{"subnet": node.pod_network}]]
    addresses = {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]}
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {"type": "ptp", "ipMasq": False, "ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def _kubelet_configuration(node: Node) -> dict[str, Any]:
    pki = node.cluster.pki
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address,
        "readOnlyPort": 0,
        "healthzBindAddress": "127.0.0.1",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / f"{node.name}-kubelet-server.crt"),
        "tlsPrivateKeyFile": str(pki / f"{node.name}-kubelet-server.key"),
        "clusterDNS": [DNS_SERVICE_ADDRESS],
        "clusterDomain": DOMAIN,
        "resolvConf": "",
        # Without systemd; in cgroup v1, too, which a kubelet refuses otherwise.
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": node.cgroup,
        "failCgroupV1": False,
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        # Images come from nowhere else: none may be thrown away for want of space.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": EVICTION_FREE_MEMORY},
        "maxPods": PODS_LIMIT,
        "serializeImagePulls": False,
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
        "nodeStatusUpdateFrequency": "10s",
    }


def _daemon(node: Node, name: str, argv: tuple[str, ...], is_ready: Any) -> Daemon:
    return Daemon(f"{name}-{node.name}", argv, node.namespace, is_ready, node.mounts)


def _succeeds(node: Node, name: str, *words: str) -> bool:
    try:
        namespaces.run(*namespaces.inside(node, str(debian.need(name)), *words))
    except EnvironmentFault:
        return False
    return True
