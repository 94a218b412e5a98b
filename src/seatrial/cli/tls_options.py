"""The flags that say how to speak TLS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import click

from seatrial.errors import PlanError
from seatrial.generator.tls import Tls, TlsVersion

SPOKEN = frozenset({"http/1.1", "http/1.0"})
"""The application protocols that a server may choose and then be spoken to in."""

VERSIONS: tuple[TlsVersion, ...] = ("1.2", "1.3")

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

OPTIONS = (
    click.option("--insecure", is_flag=True, help="Accept any certificate."),
    click.option(
        "--ca", type=_FILE, help="Who may have issued the certificate (PEM); else the platform's roots."
    ),
    click.option("--cert", type=_FILE, help="The client's certificate (PEM)."),
    click.option("--key", type=_FILE, help="The key of --cert (PEM)."),
    click.option("--sni", metavar="NAME", help="The name to ask for and to verify; the URL's if not given."),
    click.option("--tls", "tls_version", type=click.Choice(VERSIONS), help="Only this version; else both."),
    click.option("--alpn", default="http/1.1", show_default=True, metavar="LIST", help="Protocols to offer."),
    click.option("--no-resumption", is_flag=True, help="Make every TLS handshake a full one."),
)


def tls_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """The flags, by their names."""

    insecure: bool
    ca: Path | None
    cert: Path | None
    key: Path | None
    sni: str | None
    tls_version: TlsVersion | None
    alpn: str
    no_resumption: bool

    @classmethod
    def take(cls, options: dict[str, Any]) -> Self:
        """Take the flags out of all those of a command."""
        return cls(**{name: options.pop(name) for name in cls.__slots__})

    def tls(self, scheme: str, host: str) -> Tls | None:
        """Return how to speak TLS to ``host``, None for ``http``; raises ``PlanError`` for flags that contradict it."""
        if scheme != "https":
            self._refuse_without_tls()
            return None
        if self.insecure and self.ca:
            raise PlanError("--insecure accepts any certificate, --ca does not", next_step="give one of them")
        if (self.cert is None) != (self.key is None):
            raise PlanError(
                "a client's certificate needs its key", next_step="give both: --cert FILE --key FILE"
            )
        return Tls(
            server_name=self.sni or host,
            versions=(self.tls_version,) if self.tls_version else VERSIONS,
            alpn=self._protocols(),
            ca_pem=_text(self.ca),
            insecure=self.insecure,
            resumption=not self.no_resumption,
            cert_pem=_text(self.cert),
            key_pem=_text(self.key),
        )

    def _refuse_without_tls(self) -> None:
        given = (self.insecure, self.ca, self.cert, self.key, self.sni, self.tls_version, self.no_resumption)
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


def _text(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{file} cannot be read as PEM: {error}", next_step="give a PEM file") from None
