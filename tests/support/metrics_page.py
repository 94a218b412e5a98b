"""A metrics page of a test: what it says is known exactly, and may change at any moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(slots=True)
class MetricsPage:
    """A page in Prometheus' text format. ``given`` are the moments (Unix time) at which it was asked, and what it said.

    ``text`` may be a function of how often it was asked, from 1 on. Where it is None, the page answers 503.
    """

    text: str | Callable[[int], str] | None
    port: int = 0
    given: list[tuple[float, str | None]] = field(default_factory=list)

    @property
    def target(self) -> str:
        """Where it is, as a target of a scrape configuration."""
        return f"127.0.0.1:{self.port}"

    @property
    def asked(self) -> int:
        """How often it was asked."""
        return len(self.given)


@contextmanager
def metrics_page(text: str | Callable[[int], str]) -> Iterator[MetricsPage]:
    """Serve one at `/metrics` meanwhile."""
    page = MetricsPage(text)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = page.text(page.asked + 1) if callable(page.text) else page.text
            page.given.append((time.time(), said))
            body = (said or "").encode()
            self.send_response(503 if said is None else 200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        page.port = server.server_port
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        serving.start()
        try:
            yield page
        finally:
            server.shutdown()
            serving.join()
