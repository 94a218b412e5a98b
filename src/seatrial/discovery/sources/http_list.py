"""A list that is fetched over HTTP, as a source: the plainest that there is, for any discoverer that can read it.

``GET URL`` answers ``{"services": [{"name", "namespace", "ports", "endpoints", "visible_ns"}, ...], "visible_ns"}``
with an ETag, and 304 where a client knows it already (RFC 9110, section 13.1.2). ``visible_ns`` is since when an item
is as it is (CLOCK_MONOTONIC of the machine), beside the list since when that is: what is gone is in it no more.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from aiohttp import web

from seatrial.discovery.sources.base import Addresses, Changed, Service, gone
from seatrial.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seatrial.machine.members import Member

_NS = 1e9


class HttpListSource:
    """See ``Source``; it is served by the run itself, on a free port of 127.0.0.1."""

    def __init__(self, endpoints: int) -> None:
        self._endpoints = endpoints
        self._addresses = Addresses()
        self._services: dict[str, tuple[Service, int]] = {}
        self._made = 0
        self._version = self._changed_ns = 0
        self._calls = 0
        self._text: tuple[int, bytes] = (-1, b"")
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def start(self, namespaces: Sequence[str]) -> None:  # noqa: ARG002 - a list has no empty ones
        """Begin to serve it."""
        application = web.Application()
        application.add_routes([web.get("/services", self._answer)])
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]

    def wiring(self) -> Mapping[str, str]:
        """Return where it is."""
        return {"url": f"http://127.0.0.1:{self._port}/services"}

    async def create(self, counts: Mapping[str, int]) -> Sequence[Changed]:
        """Add items."""
        made = []
        for namespace, count in counts.items():
            for _ in range(count):
                self._made += 1
                name = f"service-{self._made:05}"
                made.append(Service(name, namespace, name, self._addresses.next(self._endpoints)))
        return [self._put(service) for service in made]

    async def update(self, services: Sequence[Service]) -> Sequence[Changed]:
        """Change items."""
        return [
            self._put(Service(one.id, one.namespace, one.name, self._addresses.next(self._endpoints)))
            for one in services
        ]

    async def delete(self, services: Sequence[Service]) -> Sequence[Changed]:
        """Remove items."""
        removed = []
        for service in services:
            self._services.pop(service.id, None)
            self._version, self._changed_ns = self._version + 1, time.monotonic_ns()
            removed.append(gone(service, self._changed_ns / _NS))
        return removed

    async def calls(self) -> int:
        """Return how often it was asked for."""
        return self._calls

    async def plant(self, words: str) -> None:
        """Refuse: a list that goes wrong is not made yet."""
        raise PlanError(
            f"nothing goes wrong at a list that is fetched over HTTP: {words}",
            next_step="faults of the destination, or `source: openstack`",
        )

    async def lift(self) -> int:
        """Do nothing: nothing goes wrong."""
        return 0

    def members(self) -> tuple[Member, ...]:
        """Return nothing: it is of the run's own process."""
        return ()

    async def close(self) -> None:
        """End it."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _put(self, service: Service) -> Changed:
        now_ns = time.monotonic_ns()
        self._version, self._changed_ns = self._version + 1, now_ns
        self._services[service.id] = (service, now_ns)
        return Changed(service, now_ns / _NS)

    async def _answer(self, request: web.Request) -> web.Response:
        self._calls += 1
        etag = f'"{self._version}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers={"ETag": etag})
        if self._text[0] != self._version:
            items = [*map(_item, self._services.values())]
            document = {"services": items, "visible_ns": self._changed_ns}
            self._text = self._version, json.dumps(document).encode()
        return web.Response(body=self._text[1], content_type="application/json", headers={"ETag": etag})


def _item(known: tuple[Service, int]) -> dict[str, object]:
    service, visible_ns = known
    return {
        "name": service.name,
        "namespace": service.namespace,
        "ports": sorted(service.ports),
        "endpoints": sorted(service.endpoints),
        "visible_ns": visible_ns,
    }
