"""A request's body arrives as it was given, byte for byte."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.support.program import run_seatrial

EVERY_BYTE = bytes(range(256)) * 40 + b"\r\n\r\n"


class Keeps(BaseHTTPRequestHandler):
    """Answers each request, and keeps its body."""

    protocol_version = "HTTP/1.1"
    bodies: list[bytes]

    def do_PUT(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_binary_file_arrives_byte_for_byte(tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_bytes(EVERY_BYTE)
    kept: list[bytes] = []
    handler = type("Handler", (Keeps,), {"bodies": kept})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            outcome = run_seatrial(
                "load", f"http://127.0.0.1:{server.server_port}/", "-q", "--json", "-", "-c", "2", "-R", "20",
                "-d", "500ms", "--method", "PUT", "--body", f"@{file}",
            )  # fmt: skip
        finally:
            server.shutdown()
            thread.join()
    assert outcome.document["status"] == {"200": 10}
    assert kept == [EVERY_BYTE] * 10
