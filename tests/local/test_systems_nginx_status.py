"""nginx's status page counts whoever asks for it: what Seatrial asks is taken off, however it asks.

The nginx from PyPI has no such page, so a server of the standard library keeps nginx's account here.
"""

from __future__ import annotations

import asyncio
import http.client
import http.server
import threading
import time
from typing import TYPE_CHECKING

import pytest

from seatrial.machine.address import Address
from seatrial.systems.nginx.dialect import NginxDialect

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = "Active connections: 1 \nserver accepts handled requests\n {0} {0} {0} \nReading: 0 Writing: 1 Waiting: 0 \n"
ANSWER_S = 0.1
OVERLAPPING = 8


class StatusPage(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.counting = threading.Lock()
        self.requests = 0
        self.refused = 0


class Handler(http.server.BaseHTTPRequestHandler):
    server: StatusPage

    def do_GET(self) -> None:
        with self.server.counting:
            if self.server.refused:
                self.server.refused -= 1
                return
            self.server.requests += 1
            page = PAGE.format(self.server.requests).encode()
        # Long enough that another poll overlaps where nothing keeps them apart.
        time.sleep(ANSWER_S)
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def page() -> Iterator[StatusPage]:
    with StatusPage() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_polls_that_overlap_are_each_taken_off_once(page: StatusPage) -> None:
    async def poll() -> None:
        nginx, status = (
            NginxDialect("nginx-proxy.conf.j2", 1, {}),
            Address("127.0.0.1", page.server_address[1]),
        )
        pages = await asyncio.gather(*(nginx.read(status) for _ in range(OVERLAPPING)))
        readings = [nginx.own(values) for values in pages]
        assert [(one.requests, one.connections_accepted) for one in readings] == [(0, 0)] * OVERLAPPING
        page.requests += 10
        assert nginx.own(await nginx.read(status)).requests == 10

    asyncio.run(poll())


def test_a_poll_that_nginx_did_not_answer_is_not_taken_off(page: StatusPage) -> None:
    async def poll() -> None:
        nginx, status = (
            NginxDialect("nginx-proxy.conf.j2", 1, {}),
            Address("127.0.0.1", page.server_address[1]),
        )
        page.refused = 1
        with pytest.raises(http.client.HTTPException):
            await nginx.read(status)
        page.requests += 10
        assert nginx.own(await nginx.read(status)).requests == 10

    asyncio.run(poll())
