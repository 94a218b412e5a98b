"""A list of services that is served over HTTP, and that a test changes, breaks and takes away."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class ListSource:
    """Services by ``namespace/name``, each one address; ``extra`` goes into the document, ``answer`` in place of it.

    ``answer`` is a status, or ``half`` for a body that is cut off. ``statuses`` counts what was answered.
    """

    url: str = ""
    ends: dict[str, list[str]] = field(default_factory=dict)
    visible_ns: dict[str, int] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    answer: int | str = 200
    is_reversed: bool = False
    statuses: Counter[int] = field(default_factory=Counter)
    _made: int = 0

    def flags(self) -> tuple[str, ...]:
        """Return how a discoverer gets at it."""
        return "--from", "http", "--source-url", self.url

    def set(self, *names: str) -> None:
        """Have services, or give those that are there other addresses."""
        for name in names:
            self._made += 1
            self.visible_ns[name] = time.monotonic_ns()
            self.ends[name] = [f"172.18.{self._made >> 8}.{self._made & 255}:8080"]

    def remove(self, *names: str) -> None:
        """Have some no more."""
        self.extra["visible_ns"] = time.monotonic_ns()
        for name in names:
            del self.ends[name]

    def document(self) -> bytes:
        """Return what is served."""
        services = [
            {
                "name": name.partition("/")[2],
                "namespace": name.partition("/")[0],
                "ports": [80],
                "endpoints": ends[::-1] if self.is_reversed else ends,
                "visible_ns": self.visible_ns.get(name, 0),
            }
            for name, ends in list(self.ends.items())
        ]
        return json.dumps(
            {"services": services[::-1] if self.is_reversed else services, **self.extra}
        ).encode()


@contextmanager
def listing() -> Iterator[ListSource]:
    """Serve a list."""
    source = ListSource()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = source.document()
            etag = f'"{hashlib.sha256(body).hexdigest()}"'
            status = source.answer if isinstance(source.answer, int) else 200
            if status == 200 and self.headers.get("If-None-Match") == etag:
                status = 304
            source.statuses[status] += 1
            self.send_response(status)
            content = body if status == 200 else b""
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", etag)
            self.end_headers()
            if source.answer == "half":
                content, self.close_connection = content[: len(content) // 2], True
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    source.url = f"http://127.0.0.1:{server.server_address[1]}/services"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield source
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
