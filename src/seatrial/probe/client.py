"""A client's connection to an endpoint, in the network from which it is to leave."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import TYPE_CHECKING

from seatrial.machine.address import Endpoint
from seatrial.machine.namespace import stream_socket

if TYPE_CHECKING:
    from seatrial.machine.address import Address
    from seatrial.machine.namespace import Namespace


class Client(http.client.HTTPConnection):
    """A connection to an endpoint, over TLS where it has it, which connects with the first request.

    It leaves from ``namespace``, by default from the network in which the endpoint is. ``tls`` takes the place of what
    the endpoint says of it. The certificate has to be for ``server_name``, by default for the endpoint's host.
    """

    def __init__(
        self,
        to: Address,
        limit_s: float,
        namespace: Namespace | None = None,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
    ) -> None:
        super().__init__(to.host, to.port, timeout=limit_s)
        self._to, self._limit_s, self._namespace = to, limit_s, namespace or to.namespace
        ca = to.ca if isinstance(to, Endpoint) else None
        self._tls = tls if tls or ca is None else ssl.create_default_context(cafile=ca)
        self._server_name = server_name or to.host

    def connect(self) -> None:
        """Connect; raises ``OSError``."""
        stream = stream_socket(self._to.host, self._namespace)
        try:
            stream.settimeout(self._limit_s)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream.connect((self._to.host, self._to.port))
            self.sock = (
                stream
                if self._tls is None
                else self._tls.wrap_socket(stream, server_hostname=self._server_name)
            )
        except BaseException:
            stream.close()
            raise

    def certificate(self) -> bytes | None:
        """Return the certificate that it was shown, as DER; None where it is not connected over TLS."""
        return self.sock.getpeercert(binary_form=True) if isinstance(self.sock, ssl.SSLSocket) else None
