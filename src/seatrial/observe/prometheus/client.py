"""A client of the HTTP API of Prometheus (https://prometheus.io/docs/prometheus/latest/querying/api/).

Thanos, Mimir and VictoriaMetrics answer the same questions. Only this folder knows how they are asked.
"""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from seatrial.observe.prometheus import faults
from seatrial.observe.prometheus.series import is_result

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp

ANSWER_LIMIT_BYTES = 64 << 20
"""Of 11,000 points, which is as many as a series may have, an answer holds more than a hundred series."""
_BLOCK_BYTES = 1 << 18
_NOT_LET_IN = (401, 403)


@dataclass(frozen=True, slots=True)
class Access:
    """Where it answers and how to be let in. ``headers`` hold secrets, which no message and no record shows."""

    url: str
    timeout_s: float = 10.0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered, and what Prometheus warns of beside it."""

    data: Any
    warnings: tuple[str, ...] = ()


class Prometheus:
    """One Prometheus, over connections that are kept until it is closed; use it as an asynchronous context.

    Every call raises ``EnvironmentFault`` where there is no answer or no admission, and ``PlanError`` where what is
    asked is wrong.
    """

    def __init__(self, access: Access) -> None:
        self.url = access.url
        self._access = access
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open nothing yet; raises ``EnvironmentFault`` where the certificates to trust are none."""
        import aiohttp

        tls: ssl.SSLContext | bool = True
        if self._access.ca_file is not None:
            try:
                tls = ssl.create_default_context(cafile=self._access.ca_file)
            except OSError as error:
                raise faults.no_certificates(self._access.ca_file, error) from None
        # No proxy and no netrc: what is asked is on this machine or beside it, and the plan says how to be let in.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls),
            timeout=aiohttp.ClientTimeout(total=self._access.timeout_s),
            headers={"User-Agent": "seatrial", **self._access.headers},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()

    async def instant(self, query: str, at_s: float | None = None) -> Answer:
        """Evaluate PromQL at a moment (Unix time), or now by its own clock; ``data`` is the API's."""
        moment = {} if at_s is None else {"time": f"{at_s:.3f}"}
        return await self._asked("query", {"query": query, **moment}, is_query=True)

    async def range(self, query: str, start_s: float, end_s: float, step_s: float) -> Answer:
        """Evaluate PromQL at steps from start to end, both included (Unix times, to the millisecond)."""
        moments = {"start": f"{start_s:.3f}", "end": f"{end_s:.3f}", "step": f"{step_s:.3f}"}
        return await self._asked("query_range", {"query": query, **moments}, is_query=True)

    async def read(self, path: str, **parameters: str) -> Any:
        """Return what another path of its API says, such as ``targets``; None where it has no such path."""
        try:
            return (await self._asked(path, parameters, is_query=False)).data
        except faults.NoSuchPath:
            return None

    async def _asked(self, path: str, parameters: Mapping[str, str], *, is_query: bool) -> Answer:
        import aiohttp

        assert self._session is not None
        url = f"{self.url}/api/v1/{path}"
        # A query may be longer than a line of a request.
        given: dict[str, Any] = {"data": parameters} if is_query else {"params": parameters}
        try:
            async with self._session.request(
                "POST" if is_query else "GET", url, allow_redirects=False, **given
            ) as response:
                body = await _whole(response, self.url)
                answer = self._understood(response.status, response.headers.get("Location"), body, path)
                if is_query and not is_result(answer.data):
                    raise faults.no_api(self.url, response.status, None, path)
                return answer
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise faults.not_reached(self.url, error, self._access.timeout_s) from None

    def _understood(self, status: int, location: str | None, body: bytes, path: str) -> Answer:
        if status in _NOT_LET_IN:
            # Whatever else it says, by whoever stands in front.
            raise faults.not_let_in(self.url, status)
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict) or "status" not in document:
            raise faults.no_api(self.url, status, location, path)
        if document["status"] != "success":
            raise faults.refused(self.url, status, str(document.get("errorType")), str(document.get("error")))
        # `infos` are of Prometheus 3: what was odd, and no reason to doubt.
        warnings = (*document.get("warnings", ()), *document.get("infos", ()))
        return Answer(document.get("data"), tuple(str(warning) for warning in warnings))


async def _whole(response: aiohttp.ClientResponse, url: str) -> bytes:
    blocks, size = [], 0
    async for block in response.content.iter_chunked(_BLOCK_BYTES):
        size += len(block)
        if size > ANSWER_LIMIT_BYTES:
            raise faults.too_much(url, ANSWER_LIMIT_BYTES)
        blocks.append(block)
    return b"".join(blocks)
