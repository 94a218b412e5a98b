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
        return cls.issue_several(directory, names, 1)[0]

    @classmethod
    def issue_several(cls, directory: Path, names: Iterable[str], count: int) -> tuple[Self, ...]:
        """Make certificates for the same names, to take each other's place, and one file of all who issued them."""
        from seatrial._engine import issue_certificate

        ca, authorities, made = directory / "ca.pem", [], []
        for number in range(1, count + 1):
            which = "" if number == 1 else f"-{number}"
            one = cls(directory / f"cert{which}.pem", directory / f"key{which}.pem", ca)
            ca_pem, cert_pem, key_pem = issue_certificate(list(dict.fromkeys(names)))
            one.key.touch(mode=0o600)
            one.cert.write_text(cert_pem, encoding="ascii")
            one.key.write_text(key_pem, encoding="ascii")
            authorities.append(ca_pem)
            made.append(one)
        ca.write_text("".join(authorities), encoding="ascii")
        return tuple(made)
