"""The certificate that a system of a trial shows to those who speak TLS to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ORIGIN_NAME = "origin.example.com"
"""What the certificate of an origin that serves TLS is for, beside its address: proxies ask for it and verify it."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files: the certificate, its key, and the authority that issued it."""

    cert: Path
    key: Path
    ca: Path

    @classmethod
    def issue(cls, directory: Path, names: Iterable[str]) -> Self:
        """Make an authority of its own and have it issue a certificate (ECDSA P-256) for names and IP addresses."""
        from seatrial._engine import issue_certificate

        made = cls(directory / "cert.pem", directory / "key.pem", directory / "ca.pem")
        ca_pem, cert_pem, key_pem = issue_certificate(list(dict.fromkeys(names)))
        made.key.touch(mode=0o600)
        for path, pem in ((made.cert, cert_pem), (made.key, key_pem), (made.ca, ca_pem)):
            path.write_text(pem, encoding="ascii")
        return made
