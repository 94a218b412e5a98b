"""Speaking HTTP to a system, in the network where it listens: to its admin or status page, or as a client of it."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
from typing import TYPE_CHECKING

from seatrial.machine.address import Endpoint
from seatrial.machine.namespace import stream_socket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.machine.address import Address
    from seatrial.machine.namespace import Namespace

LIMIT_S = 5.0


class Client(http.client.HTTPConnection):
    """A connection to an endpoint, over TLS where it has it, which connects with the first request.

    It leaves from ``namespace``, by default from the network in which the endpoint is.
    """

    def __init__(self, to: Address, limit_s: float, namespace: Namespace | None = None) -> None:
        super().__init__(to.host, to.port, timeout=limit_s)
        self._to, self._limit_s, self._namespace = to, limit_s, namespace or to.namespace
        ca = to.ca if isinstance(to, Endpoint) else None
        self._tls = None if ca is None else ssl.create_default_context(cafile=ca)

    def connect(self) -> None:
        """Connect; raises ``OSError``."""
        stream = stream_socket(self._to.host, self._namespace)
        try:
            stream.settimeout(self._limit_s)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream.connect((self._to.host, self._to.port))
            self.sock = (
                stream if self._tls is None else self._tls.wrap_socket(stream, server_hostname=self._to.host)
            )
        except BaseException:
            stream.close()
            raise

    def certificate(self) -> bytes | None:
        """Return the certificate that it was shown, as DER; None where it is not connected over TLS."""
        return self.sock.getpeercert(binary_form=True) if isinstance(self.sock, ssl.SSLSocket) else None


async def get(address: Address, path: str, limit_s: float = LIMIT_S) -> tuple[int, str]:
    """Return status and body; raise ``OSError`` or ``http.client.HTTPException`` where there is no answer."""
    return await asyncio.to_thread(_ask, address, "GET", path, None, {}, limit_s)


async def post(
    address: Address, path: str, body: bytes, headers: Mapping[str, str], limit_s: float = LIMIT_S
) -> tuple[int, str]:
    """Post a body and return as ``get`` does; raise as it does, too."""
    return await asyncio.to_thread(_ask, address, "POST", path, body, headers, limit_s)


def _ask(
    address: Address, method: str, path: str, body: bytes | None, headers: Mapping[str, str], limit_s: float
) -> tuple[int, str]:
    connection = Client(address, limit_s)
    try:
        connection.request(method, path, body, {"Connection": "close", **headers})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    finally:
        connection.close()
