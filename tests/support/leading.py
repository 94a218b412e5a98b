"""Servers that stand for proxies: each leads a request for a host to an endpoint, whose address is in its answer."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from seatrial.machine.address import Address
from seatrial.probe.asking import ENDPOINT_FIELD
from seatrial.probe.question import Answering
from seatrial.systems.certificate import Certificate

A, B = "10.0.0.1:80", "10.0.0.2:80"
"""Where the services are, as answers say it: nobody asks them there."""
SERVICES = (Answering("a", (A,)), Answering("b", (B,)))


@dataclass
class Proxy:
    """A server of the test: which host it leads to which endpoint, or answers with which status; what it was asked."""

    leads: dict[str, str | int]
    otherwise: str | int = 404
    asked: list[tuple[str, str]] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    address: Address = field(init=False)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        proxy, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def setup(self) -> None:
                super().setup()
                with lock:
                    proxy.connections += 1
                    proxy.open += 1

            def finish(self) -> None:
                super().finish()
                with lock:
                    proxy.open -= 1

            def do_GET(self) -> None:
                host = self.headers["Host"]
                proxy.asked.append((host, self.path))
                to = proxy.leads.get(host, proxy.otherwise)
                self.send_response(to if isinstance(to, int) else 200)
                if isinstance(to, str) and to and self.headers[ENDPOINT_FIELD]:
                    self.send_header(ENDPOINT_FIELD, to)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


class Server(ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 128

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that do not trust it."""


@contextmanager
def serving(*proxies: Proxy, certificate: Certificate | None = None) -> Iterator[None]:
    servers = [Server(("127.0.0.1", 0), proxy.handler()) for proxy in proxies]
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate.cert, certificate.key)
        for server in servers:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
    for proxy, server in zip(proxies, servers, strict=True):
        proxy.address = Address(*server.server_address[:2])  # type: ignore[arg-type]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
