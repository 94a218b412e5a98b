"""A JSON list of services over HTTP.

``{"services": [{"name": ..., "namespace": ..., "ports": [80], "endpoints": ["ADDRESS:PORT", ...]}, ...]}``: each port
leads to all endpoints. Its ETag is sent back, so that a list that has not changed costs an empty answer.
"""

from __future__ import annotations

import ipaddress
import json
from typing import TYPE_CHECKING, Any

import aiohttp

from seatrial.discoverer.services import Port, Upstream
from seatrial.discoverer.sources.base import SourceFault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.discoverer.services import Endpoint

ERRORTYPE = "fetch"


class HttpSource:
    """A list that is fetched from a URL."""

    def __init__(self, url: str, limit_s: float) -> None:
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=limit_s)
        self._session: aiohttp.ClientSession | None = None
        self._etag = ""

    async def read(self) -> list[Upstream] | None:
        """Return all services, None where nothing has changed. Raises ``SourceFault``."""
        document = await self.fetch()
        return None if document is None else services_of(document)

    async def fetch(self) -> Any:
        """Return the document, None where it has not changed."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        headers = {"If-None-Match": self._etag} if self._etag else {}
        try:
            async with self._session.get(self._url, headers=headers) as response:
                content, status = await response.read(), response.status
                etag, waits = response.headers.get("ETag", ""), response.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SourceFault(ERRORTYPE, f"{self._url}: {str(error) or type(error).__name__}") from None
        if status == 304:
            return None
        if status != 200:
            wait_s = float(waits) if waits.isdecimal() else 0.0
            raise SourceFault(ERRORTYPE, f"{self._url} answers {status}", wait_s)
        try:
            document = json.loads(content)
            # A list that cannot be used must be given again.
            services_of(document)
        except ValueError as error:
            raise SourceFault(ERRORTYPE, f"{self._url} is no list of services: {error}") from None
        self._etag = etag
        return document

    async def close(self) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()


def services_of(document: Any) -> list[Upstream]:
    """Return the services of a document; raises ``ValueError`` where it is no list of services."""
    try:
        found = [_service(one) for one in document["services"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__} {error}") from None
    names = {(one.namespace, one.name) for one in found}
    if len(names) < len(found):
        raise ValueError("two services have one name")
    return found


def _service(one: Mapping[str, Any]) -> Upstream:
    endpoints = tuple(sorted({_endpoint(text) for text in one["endpoints"]}))
    ports = tuple(
        Port(f"port-{port}", "TCP", port, endpoints) for port in sorted(set(map(int, one["ports"])))
    )
    return Upstream(str(one["namespace"]), str(one["name"]), ports)


def _endpoint(text: str) -> Endpoint:
    host, _, port = text.rpartition(":")
    return str(ipaddress.ip_address(host.strip("[]"))), int(port)
