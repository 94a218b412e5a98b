"""The cluster's own authority, and what it vouches for: each component by the name that Kubernetes knows it by.

See https://kubernetes.io/docs/setup/best-practices/certificates/ for the names.
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tools.cluster.layout import API_PORT, API_SERVICE_ADDRESS, CONTROL_ADDRESS, DOMAIN

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tools.cluster.layout import Cluster

VALID_DAYS = 3650
CLOCK_SLACK = dt.timedelta(hours=1)
MASTERS = "system:masters"
API_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
CLIENTS = {
    "admin": ("seatrial-admin", MASTERS),
    "apiserver-kubelet-client": ("apiserver-kubelet-client", MASTERS),
    "front-proxy-client": ("front-proxy-client", ""),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "proxy": ("system:kube-proxy", ""),
    "dns": ("seatrial:dns", ""),
}
"""File names, and who the API server takes their owners for: a user, and a group."""


def make(cluster: Cluster) -> None:
    """Make every certificate and kubeconfig, unless they are there: a second time would lock the first's users out."""
    if (cluster.pki / "complete").exists():
        return
    cluster.pki.mkdir(parents=True, exist_ok=True)
    cluster.pki.chmod(0o700)
    authority = _Authority(cluster.pki)
    api_names = (*API_NAMES, f"kubernetes.default.svc.{DOMAIN}")
    addresses = ("127.0.0.1", CONTROL_ADDRESS, API_SERVICE_ADDRESS, cluster.api_address)
    authority.serve("apiserver", "kube-apiserver", (*api_names, *addresses))
    for name, (user, group) in CLIENTS.items():
        authority.vouch(name, user, group)
    for node in cluster.nodes:
        authority.serve(f"{node.name}-kubelet-server", node.name, (node.name, node.address, "127.0.0.1"))
        authority.vouch(f"{node.name}-kubelet", f"system:node:{node.name}", "system:nodes")
    _service_accounts(cluster.pki)
    for name in (*CLIENTS, *(f"{node.name}-kubelet" for node in cluster.nodes)):
        # The administrator's address is good from outside; the others do not depend on this machine's own network.
        inside = f"https://{CONTROL_ADDRESS}:{API_PORT}"
        _kubeconfig(cluster, name, cluster.api_url if name == "admin" else inside)
    (cluster.pki / "complete").touch()


class _Authority:
    """Signs certificates, and leaves NAME.crt and NAME.key (PEM, P-256) in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "seatrial-cluster-authority")])
        usage = _usage(signs_certificates=True)
        builder = (
            _builder(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
        )
        _write(folder, "ca", builder.sign(self._key, hashes.SHA256()), self._key)

    def serve(self, name: str, common_name: str, reached_at: Iterable[str]) -> None:
        """Vouch for a server that is reached at these names and addresses."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        alternatives = x509.SubjectAlternativeName([_general_name(text) for text in reached_at])
        self._sign(name, subject, ExtendedKeyUsageOID.SERVER_AUTH, alternatives)

    def vouch(self, name: str, user: str, group: str) -> None:
        """Vouch for a client: a user, in a group unless that is empty."""
        groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
        subject = x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, user)])
        self._sign(name, subject, ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def _sign(
        self,
        name: str,
        subject: x509.Name,
        purpose: x509.ObjectIdentifier,
        alternatives: x509.SubjectAlternativeName | None,
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(subject, self._name, key.public_key())
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        )
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        _write(self._folder, name, builder.sign(self._key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + dt.timedelta(days=VALID_DAYS))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_encipherment=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _write(folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_key(folder / f"{name}.key", key)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, plain))


def _service_accounts(folder: Path) -> None:
    """Make the pair of keys with which the tokens of service accounts are signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    _write_key(folder / "service-accounts.key", key)
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    (folder / "service-accounts.pub").write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, public)
    )


def _kubeconfig(cluster: Cluster, name: str, server: str) -> None:
    """Write a kubeconfig that holds all that it needs (JSON is YAML)."""

    def data(file: str) -> str:
        return base64.b64encode((cluster.pki / file).read_bytes()).decode()

    named = f"seatrial-{cluster.name}"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": named, "cluster": {"server": server, "certificate-authority-data": data("ca.crt")}}
        ],
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate-data": data(f"{name}.crt"),
                    "client-key-data": data(f"{name}.key"),
                },
            }
        ],
        "contexts": [{"name": named, "context": {"cluster": named, "user": name}}],
        "current-context": named,
    }
    path = cluster.pki / f"{name}.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(document, indent=1))
