"""Every program of the cluster, each at one version; the only place where a version stands.

What PyPI has (Envoy, Traefik) is pinned in ``uv.lock``, and Debian's packages are those of the distribution at hand.
"""

from __future__ import annotations

from dataclasses import dataclass

KUBERNETES = "v1.34.4"
CONTOUR = "v1.33.8"
KWOK = "v0.8.0"

DEBIAN = {
    "containerd": "containerd",
    "ctr": "containerd",
    "containerd-shim-runc-v2": "containerd",
    "runc": "runc",
    "ptp": "containernetworking-plugins",
    "iptables": "iptables",
    "busybox": "busybox-static",
}
"""What each program is of that Debian has built; ``ptp`` is one of the network plugins."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that is built from a Go module.

    ``stamps`` are variables that a release sets when it links. ``is_staged`` is for Kubernetes itself, whose module
    wants its siblings from a folder that is not published (see ``build``).
    """

    name: str
    module: str
    version: str
    package: str = ""
    stamps: tuple[tuple[str, str], ...] = ()
    is_staged: bool = False

    @property
    def import_path(self) -> str:
        """What ``go build`` is asked for."""
        return f"{self.module}/{self.package}" if self.package else self.module


def _kubernetes(name: str) -> Program:
    _, minor, _ = KUBERNETES.split(".")
    said = {"gitVersion": KUBERNETES, "gitMajor": "1", "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    # A kubelet that gives no version is taken for one that is too old.
    stamps = tuple((f"{package}.{key}", text) for package in packages for key, text in said.items())
    return Program(name, "k8s.io/kubernetes", KUBERNETES, f"cmd/{name}", stamps, is_staged=True)


BUILT = {
    program.name: program
    for program in (
        Program("etcd", "go.etcd.io/etcd/server/v3", "v3.6.16"),
        _kubernetes("kube-apiserver"),
        _kubernetes("kube-controller-manager"),
        _kubernetes("kube-scheduler"),
        _kubernetes("kubelet"),
        _kubernetes("kube-proxy"),
        _kubernetes("kubectl"),
        Program("coredns", "github.com/coredns/coredns", "v1.15.0"),
        Program(
            "contour", "github.com/projectcontour/contour", CONTOUR, "cmd/contour",
            (("github.com/projectcontour/contour/internal/build.Version", CONTOUR),),
        ),
        Program("kwok", "sigs.k8s.io/kwok", KWOK, "cmd/kwok", (("sigs.k8s.io/kwok/pkg/consts.Version", KWOK),)),
        Program("envoy-gateway", "github.com/envoyproxy/gateway", "v1.9.1", "cmd/envoy-gateway"),
    )
}  # fmt: skip
"""By name. In the order of the list: the cluster needs the first eight, the others are for what is tested on it."""

NEEDED = tuple(BUILT)[:8]
"""Without these there is no cluster."""
