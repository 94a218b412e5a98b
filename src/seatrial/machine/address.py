"""Where something listens, and how it is spoken to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.machine.namespace import Namespace


@dataclass(frozen=True, slots=True)
class Address:
    """Where something listens; ``namespace`` is the network that the address is in, None is the machine's own."""

    host: str
    port: int
    namespace: Namespace | None = field(default=None, kw_only=True)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Endpoint(Address):
    """Where requests may be sent: in plain HTTP, or over TLS where ``ca`` is the file of who issued its certificate.

    The certificate is for the host's address.
    """

    ca: Path | None = None

    @property
    def url(self) -> str:
        """Return the URL of the root."""
        return f"{'https' if self.ca else 'http'}://{self}/"
