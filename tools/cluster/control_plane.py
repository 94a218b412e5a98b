"""The control plane: etcd, API server, controller manager, scheduler and DNS, as processes of one network namespace.

No pod of its own runs on the nodes, so what is measured there is only what was put there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.cluster.build import program
from tools.cluster.layout import API_PORT, CONTROL_ADDRESS, DOMAIN, SERVICE_NETWORK
from tools.cluster.processes import Daemon, answers, write

if TYPE_CHECKING:
    from pathlib import Path

    from tools.cluster.layout import Cluster

ETCD = "http://127.0.0.1:2379"
_COREFILE = """\
.:53 {{
    bind {address}
    errors
    ready 127.0.0.1:8181
    kubernetes {domain} in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        ttl 5
    }}
}}
"""


def etcd(cluster: Cluster) -> Daemon:
    """Return the store. It never waits for the disk: it lasts as long as the cluster, and no longer than this boot."""
    argv = (
        program("etcd"),
        "--data-dir", str(cluster.home / "etcd"),
        "--unsafe-no-fsync",
        "--listen-client-urls", ETCD, "--advertise-client-urls", ETCD,
        "--listen-peer-urls", "http://127.0.0.1:2380",
        "--log-level", "warn",
    )  # fmt: skip
    return _daemon(cluster, "etcd", argv, f"{ETCD}/health")


def api_server(cluster: Cluster) -> Daemon:
    """Return the API server, which this machine reaches as well."""
    pki = cluster.pki
    argv = (
        program("kube-apiserver"),
        f"--etcd-servers={ETCD}",
        "--bind-address=0.0.0.0", f"--secure-port={API_PORT}", f"--advertise-address={CONTROL_ADDRESS}",
        f"--tls-cert-file={pki}/apiserver.crt", f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
        f"--proxy-client-key-file={pki}/front-proxy-client.key",
        f"--requestheader-client-ca-file={pki}/ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--service-account-issuer=https://kubernetes.default.svc.{DOMAIN}",
        f"--service-account-key-file={pki}/service-accounts.pub",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
    )  # fmt: skip
    return _daemon(cluster, "kube-apiserver", argv, f"https://127.0.0.1:{API_PORT}/readyz")


def controller_manager(cluster: Cluster) -> Daemon:
    """Return the controller manager. Its limits towards the API server are lifted: they would be what is measured."""
    pki = cluster.pki
    argv = (
        program("kube-controller-manager"),
        *_identity(pki / "controller-manager.kubeconfig"),
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={pki}/service-accounts.key",
        f"--root-ca-file={pki}/ca.crt",
        f"--cluster-signing-cert-file={pki}/ca.crt", f"--cluster-signing-key-file={pki}/ca.key",
        "--allocate-node-cidrs=false",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--concurrent-deployment-syncs=20", "--concurrent-replicaset-syncs=20",
        "--concurrent-service-endpoint-syncs=20", "--concurrent-namespace-syncs=20",
    )  # fmt: skip
    return _daemon(cluster, "kube-controller-manager", argv, "https://127.0.0.1:10257/healthz")


def scheduler(cluster: Cluster) -> Daemon:
    """Return the scheduler."""
    argv = (program("kube-scheduler"), *_identity(cluster.pki / "scheduler.kubeconfig"))
    return _daemon(cluster, "kube-scheduler", argv, "https://127.0.0.1:10259/healthz")


def dns(cluster: Cluster) -> Daemon:
    """Return the DNS server; what it may read is among the ``objects``."""
    corefile = cluster.home / "Corefile"
    text = _COREFILE.format(address=CONTROL_ADDRESS, domain=DOMAIN, kubeconfig=cluster.pki / "dns.kubeconfig")
    write(corefile, text)
    return _daemon(
        cluster, "coredns", (program("coredns"), "-conf", str(corefile)), "http://127.0.0.1:8181/ready"
    )


def _daemon(cluster: Cluster, name: str, argv: tuple[str, ...], url: str) -> Daemon:
    pki = cluster.pki
    identity = (pki / "admin.crt", pki / "admin.key") if name == "kube-apiserver" else None
    return Daemon(name, argv, cluster.control, lambda: answers(cluster.control, url, identity))


def _identity(kubeconfig: Path) -> tuple[str, ...]:
    return (
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--kube-api-qps=1000",
        "--kube-api-burst=1000",
    )
