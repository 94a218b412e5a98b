"""What a person asks of TLS -> how to speak it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import PlanError
from seatrial.generator.pem import certificate_and_key, certificates
from seatrial.generator.tls import Tls, TlsVersion

SPOKEN = frozenset({"http/1.1", "http/1.0"})
"""The application protocols that a server may choose and then be spoken to in."""

VERSIONS: tuple[TlsVersion, ...] = ("1.2", "1.3")


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
        return Tls(
            server_name=self.sni or host,
            versions=(self.version,) if self.version else VERSIONS,
            alpn=self._protocols(),
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
        given = (self.insecure, self.ca, self.cert, self.key, self.sni, self.version, self.no_resumption)
        if any(given):
            raise PlanError(
                "flags of TLS are for https:// URLs", next_step="write https:// or leave them out"
            )

    def _protocols(self) -> tuple[str, ...]:
        protocols = tuple(name for name in (part.strip() for part in self.alpn.split(",")) if name)
        if unknown := [name for name in protocols if name not in SPOKEN]:
            raise PlanError(
                f"--alpn {unknown[0]}: a server that chose it would be spoken to in HTTP/1.1 nevertheless",
                next_step=f"offer {', '.join(sorted(SPOKEN))}, or '' for nothing",
            )
        return protocols
