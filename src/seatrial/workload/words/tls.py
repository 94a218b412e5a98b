"""What a person asks of TLS -> how to speak it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import PlanError
from seatrial.workload.tls import Tls, TlsVersion
from seatrial.workload.words.pem import certificate_and_key, certificates

SPOKEN = frozenset({"http/1.1", "http/1.0"})
"""The application protocols that a server may choose and then be spoken to in."""

MAX_NAME = 253
"""Of a host's name in characters (RFC 1035, 2.3.4)."""

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")

VERSIONS: tuple[TlsVersion, ...] = ("1.2", "1.3")
DEFAULT_ALPN = "http/1.1"


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """What the flags of TLS say; ``version`` is that of ``--tls``, None for both."""

    insecure: bool
    ca: Path | str | None
    cert: Path | str | None
    key: Path | str | None
    sni: str | None
    version: TlsVersion | None
    alpn: str
    no_resumption: bool

    def tls(self, scheme: str, host: str) -> Tls | None:
        """Return how to speak TLS to ``host``, None for ``http``.

        Raises
        ------
        PlanError
            Flags that contradict it or each other, or files that are no PEM.
        """
        if scheme != "https":
            self._refuse_without_tls()
            return None
        if self.version not in {None, *VERSIONS}:
            raise PlanError(f"--tls {self.version} is none of {', '.join(VERSIONS)}")
        if self.insecure and self.ca:
            raise PlanError("--insecure accepts any certificate, --ca does not", next_step="give one of them")
        cert_pem, key_pem = self._certificate()
        whose, name = ("the URL's host", host) if self.sni is None else ("--sni", self.sni)
        return Tls(
            server_name=host_or_address(whose, name),
            versions=(self.version,) if self.version else VERSIONS,
            alpn=protocols(self.alpn),
            ca_pem=None if self.ca is None else certificates("ca", self.ca),
            insecure=self.insecure,
            resumption=not self.no_resumption,
            cert_pem=cert_pem,
            key_pem=key_pem,
        )

    def _certificate(self) -> tuple[str, str] | tuple[None, None]:
        if self.cert is None and self.key is None:
            return None, None
        if self.cert is None or self.key is None:
            raise PlanError(
                "a client's certificate needs its key", next_step="give both: --cert FILE --key FILE"
            )
        return certificate_and_key("cert", self.cert, "key", self.key)

    def _refuse_without_tls(self) -> None:
        given = {
            "insecure": self.insecure,
            "ca": self.ca,
            "cert": self.cert,
            "key": self.key,
            "sni": self.sni,
            "tls": self.version,
            "alpn": self.alpn if self.alpn != DEFAULT_ALPN else None,
            "no-resumption": self.no_resumption,
        }
        for flag, value in given.items():
            if value not in {None, False}:
                raise PlanError(
                    f"--{flag} is for https:// URLs", next_step=f"write https:// or leave out --{flag}"
                )


def protocols(alpn: str) -> tuple[str, ...]:
    """Read the application protocols to offer, with commas between them; raises ``PlanError``."""
    offered = tuple(name for name in (part.strip() for part in alpn.split(",")) if name)
    if unknown := [name for name in offered if name not in SPOKEN]:
        raise PlanError(
            f"--alpn {unknown[0]}: a server that chose it would be spoken to in HTTP/1.1 nevertheless",
            next_step=f"offer {', '.join(sorted(SPOKEN))}, or '' for nothing",
        )
    return offered


def host_or_address(whose: str, given: str) -> str:
    """Read a name that a certificate may be for; raises ``PlanError``."""
    try:
        ipaddress.ip_address(given)
    except ValueError:
        labels = given.removesuffix(".").split(".")
        if (
            len(given) > MAX_NAME
            or labels[-1].isdigit()
            or not all(_LABEL.fullmatch(label) for label in labels)
        ):
            raise PlanError(
                f"{whose} {given!a} is neither a host name nor an IP address",
                next_step="give the name that the certificate is for, such as shop.example.com",
            ) from None
    return given
