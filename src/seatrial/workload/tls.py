"""How the connections of a load speak TLS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

TlsVersion = Literal["1.2", "1.3"]


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS as a client; the certificates and the key are PEM texts.

    ``server_name`` is what the certificate must be for, and the SNI unless it is an IP address; the Host of the
    requests is another matter. ``ca_pem`` None leaves the choice of whom to trust to the platform's own roots.
    ``insecure`` accepts any certificate, and is never the default. ``resumption`` lets later connections resume the
    sessions of earlier ones, as browsers do; without it every handshake is a full one.
    """

    server_name: str
    versions: tuple[TlsVersion, ...] = ("1.2", "1.3")
    alpn: tuple[str, ...] = ("http/1.1",)
    ca_pem: str | None = None
    insecure: bool = False
    resumption: bool = True
    cert_pem: str | None = None
    key_pem: str | None = None

    def engine_spec(self) -> dict[str, Any]:
        """Return the form that a worker takes."""
        return {
            "versions": list(self.versions),
            "server_name": self.server_name,
            "alpn": list(self.alpn),
            "ca_pem": self.ca_pem,
            "insecure": self.insecure,
            "resumption": self.resumption,
            "cert_pem": self.cert_pem,
            "key_pem": self.key_pem,
        }
