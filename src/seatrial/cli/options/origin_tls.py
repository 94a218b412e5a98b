"""The certificate of an origin that speaks TLS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import click

from seatrial.errors import EnvironmentFault, PlanError
from seatrial.workload.words.pem import certificate_and_key

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

OPTIONS = (
    click.option("--tls-cert", type=_FILE, help="Speak TLS with this certificate (PEM)."),
    click.option("--tls-key", type=_FILE, help="The key of --tls-cert (PEM)."),
    click.option(
        "--tls-self-signed",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Speak TLS with a new certificate; its CA goes to FILE, for `seatrial load --ca FILE`.",
    ),
    click.option(
        "--tls-name", "tls_names", multiple=True, metavar="NAME", help="More names for that certificate."
    ),
)


def origin_tls_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class OriginTls:
    """The flags, by their names."""

    tls_cert: Path | None
    tls_key: Path | None
    tls_self_signed: Path | None
    tls_names: tuple[str, ...]

    @classmethod
    def take(cls, options: dict[str, Any]) -> Self:
        """Take the flags out of all those of a command."""
        return cls(**{name: options.pop(name) for name in cls.__slots__})

    def engine_spec(self, host: str) -> dict[str, str] | None:
        """Return the listener's certificate and key, None for plain connections.

        Raises
        ------
        PlanError
            Flags that contradict each other, files that are no PEM, or a key that is another's.
        EnvironmentFault
            The CA cannot be written.
        """
        if self.tls_self_signed:
            if self.tls_cert or self.tls_key:
                raise PlanError(
                    "a certificate is either given or made",
                    next_step="leave out --tls-self-signed or --tls-cert",
                )
            return self._issue(self.tls_self_signed, host)
        if (self.tls_cert is None) != (self.tls_key is None) or (self.tls_names and not self.tls_cert):
            raise PlanError(
                "a certificate needs its key", next_step="give both: --tls-cert FILE --tls-key FILE"
            )
        if self.tls_cert is None or self.tls_key is None:
            return None
        cert_pem, key_pem = certificate_and_key("tls-cert", self.tls_cert, "tls-key", self.tls_key)
        return {"cert_pem": cert_pem, "key_pem": key_pem}

    def _issue(self, ca_file: Path, host: str) -> dict[str, str]:
        from seatrial._engine import issue_certificate

        names = dict.fromkeys(("localhost", "127.0.0.1", "::1", host, *self.tls_names))
        try:
            ca_pem, cert_pem, key_pem = issue_certificate(list(names))
            ca_file.write_text(ca_pem, encoding="ascii")
        except RuntimeError as error:
            raise PlanError(str(error), next_step="give host names or IP addresses") from None
        except OSError as error:
            raise EnvironmentFault(
                f"the CA cannot be written to {ca_file}: {error}", next_step="give another file"
            ) from None
        return {"cert_pem": cert_pem, "key_pem": key_pem}
