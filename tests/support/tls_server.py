"""A TLS server of the standard library: the second implementation that the engine's is held against."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from seatrial._engine import issue_certificate

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n%s\r\nhello"
IDLE_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Pem:
    """A certificate, its key and its CA as files."""

    ca: Path
    cert: Path
    key: Path


def issue(directory: Path, *names: str, valid_for_s: int = 3600) -> Pem:
    """Issue a certificate under a CA of its own; the files are named after the first name."""
    texts = issue_certificate(list(names), valid_for_s)
    files = [directory / f"{names[0]}-{part}.pem" for part in ("ca", "cert", "key")]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    return Pem(*files)


@dataclass(slots=True)
class Seen:
    """What the server has seen: one entry for each handshake that succeeded, and every request's Host."""

    names: list[str | None] = field(default_factory=list)
    protocols: list[str | None] = field(default_factory=list)
    versions: list[str | None] = field(default_factory=list)
    resumed: list[bool] = field(default_factory=list)
    clients: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class TlsServer:
    """A running server."""

    port: int
    seen: Seen

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"https://127.0.0.1:{self.port}/"


@contextmanager
def tls_server(
    pem: Pem,
    *,
    handshake_delay_s: float = 0.0,
    client_ca: Path | None = None,
    protocols: tuple[str, ...] = (),
    closes: bool = False,
) -> Iterator[TlsServer]:
    """Answer until the block ends; ``closes`` after each answer, having said so in it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem.cert, pem.key)
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    seen = Seen()
    named = threading.local()

    def on_name(_socket: object, name: str | None, _context: object) -> None:
        named.value = name

    context.sni_callback = on_name

    def serve(connection: socket.socket) -> None:
        time.sleep(handshake_delay_s)
        named.value = None
        with context.wrap_socket(connection, server_side=True) as client:
            seen.names.append(named.value)
            seen.protocols.append(client.selected_alpn_protocol())
            seen.versions.append(client.version())
            seen.resumed.append(bool(client.session_reused))
            certificate = client.getpeercert()
            if certificate:
                seen.clients.append(str(certificate["subjectAltName"][0][1]))
            _answer(client, seen, closes=closes)

    with tcp_server(serve) as port:
        yield TlsServer(port, seen)


@contextmanager
def tcp_server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Call ``serve`` in a thread for each connection until the block ends; yields the port."""
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:

        def handle(connection: socket.socket) -> None:
            connection.settimeout(IDLE_LIMIT_S)
            with connection, contextlib.suppress(OSError):
                serve(connection)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=handle, args=(connection,), daemon=True))
                threads[-1].start()

        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in threads:
                thread.join(IDLE_LIMIT_S)


def _answer(client: ssl.SSLSocket, seen: Seen, *, closes: bool) -> None:
    received = b""
    while chunk := client.recv(65536):
        received += chunk
        while b"\r\n\r\n" in received:
            head, _, received = received.partition(b"\r\n\r\n")
            # Proxies write names of fields as they like.
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            seen.hosts.add(fields[b"host"].decode())
            client.sendall(ANSWER % (b"Connection: close\r\n" if closes else b""))
            if closes:
                client.unwrap().close()
                return
