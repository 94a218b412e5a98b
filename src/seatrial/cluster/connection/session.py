"""Connections to one API server, over aiohttp: only this folder knows that library.

An API server closes connections that are idle for 90 s, and what is in front of one sooner: ours are closed before.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from seatrial.cluster.connection.breaks import CONNECT_LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from multidict import CIMultiDict

    from seatrial.cluster.connection.credentials import Credentials

    Seen = Callable[[str, str, int], None]
    """Is given method, path with its query (below that of the server, as where a gate leads to it), and status."""

IDLE_LIMIT_S = 30.0
_READ_BYTES = 1 << 18
USER_AGENT = "seatrial"
# What it would add to a request that is somebody else's.
_OF_ITS_OWN = frozenset({"Accept", "Accept-Encoding", "Content-Type"})
_NO_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_LIMIT_S)


class Session:
    """Many connections at a time, each kept open for the next call; ``load`` gives new credentials.

    ``seen`` hears of every request once its answer has begun, or it broke (status 0).
    """

    def __init__(
        self,
        credentials: Credentials,
        load: Callable[[], Awaitable[Credentials]],
        seen: Seen | None = None,
    ) -> None:
        self.credentials = credentials
        self._load = load
        self._renewing = asyncio.Lock()
        # Netrc files and proxies are not looked up for each request: that takes four fifths of its time.
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_LIMIT_S),
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT},
            read_bufsize=_READ_BYTES,
            trace_configs=None if seen is None else [self._trace(seen)],
        )

    @property
    def server(self) -> str:
        """The address, as it may be shown."""
        return self.credentials.server

    def request(  # noqa: PLR0913 - it is what a request has
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str],
        data: bytes | None = None,
        limit_s: float | None,
        quiet_limit_s: float | None = None,
    ) -> aiohttp.client._RequestContextManager:
        """Ask once; the answer ends the context. ``quiet_limit_s`` is how long nothing may come."""
        timeout = aiohttp.ClientTimeout(total=limit_s, sock_connect=CONNECT_LIMIT_S, sock_read=quiet_limit_s)
        return self._http.request(
            method,
            self.server + path,
            params=params,
            headers={**self._authorization(), **headers},
            data=data,
            timeout=timeout,
            allow_redirects=False,
            server_hostname=self.credentials.server_name,
            ssl=self.credentials.tls if self.credentials.tls is not None else True,
            proxy=self.credentials.proxy,
        )

    def relay(
        self, method: str, target: str, headers: CIMultiDict[str], data: bytes | None
    ) -> aiohttp.client._RequestContextManager:
        """Pass somebody else's request on with our credentials, and its answer back as it comes, without a time limit.

        ``target`` is the path with its query as they are sent; ``headers`` are changed. Bodies stay compressed.
        """
        if self.credentials.authorization:
            headers["Authorization"] = self.credentials.authorization
        return self._http.request(
            method,
            URL(self.server + target, encoded=True),
            headers=headers,
            skip_auto_headers=_OF_ITS_OWN,
            data=data,
            timeout=_NO_LIMIT,
            allow_redirects=False,
            auto_decompress=False,
            server_hostname=self.credentials.server_name,
            ssl=self.credentials.tls if self.credentials.tls is not None else True,
            proxy=self.credentials.proxy,
        )

    async def websocket(
        self, path: str, params: list[tuple[str, str]], protocols: tuple[str, ...]
    ) -> aiohttp.ClientWebSocketResponse:
        """Open a websocket, which pings so that a dead peer is noticed."""
        opening = self._http.ws_connect(
            "ws" + self.server.removeprefix("http") + path,
            params=params,
            headers=self._authorization(),
            protocols=protocols,
            heartbeat=IDLE_LIMIT_S,
            server_hostname=self.credentials.server_name,
            ssl=self.credentials.tls if self.credentials.tls is not None else True,
            proxy=self.credentials.proxy,
        )
        async with asyncio.timeout(CONNECT_LIMIT_S):
            return await opening

    async def freshen(self) -> None:
        """Renew the credentials where their time has come."""
        at_s = self.credentials.renew_at_s
        if at_s is not None and time.monotonic() >= at_s:
            await self.renew(self.credentials)

    async def renew(self, used: Credentials) -> None:
        """Load credentials anew, unless another call has done so since these were ``used``. Raises ``ClusterFault``."""
        async with self._renewing:
            if self.credentials is used:
                self.credentials = await self._load()

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()
        # A connection that is aborted lets go of its socket in a later turn of the loop, which may have none.
        for _ in range(3):
            await asyncio.sleep(0)

    def _authorization(self) -> dict[str, str]:
        token = self.credentials.authorization
        return {"Authorization": token} if token else {}

    def _trace(self, seen: Seen) -> aiohttp.TraceConfig:
        def target(url: URL) -> str:
            return url.raw_path_qs.removeprefix(URL(self.server).raw_path.rstrip("/"))

        async def ended(_: object, __: object, about: aiohttp.TraceRequestEndParams) -> None:
            seen(about.method, target(about.url), about.response.status)

        async def broke(_: object, __: object, about: aiohttp.TraceRequestExceptionParams) -> None:
            seen(about.method, target(about.url), 0)

        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(ended)
        trace.on_request_exception.append(broke)
        return trace


def any_json(content: bytes) -> Any:
    """Return JSON as it is, and anything else as text."""
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")
