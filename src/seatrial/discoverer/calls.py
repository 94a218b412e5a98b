"""Calls to the destination: each made once, within the rate; refusals as they are; and how many there were of what."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from seatrial.cluster.asked import read_asked
from seatrial.cluster.client import LIMIT_S
from seatrial.cluster.connection.breaks import BREAKS, how_it_broke
from seatrial.cluster.connection.session import any_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.cluster.client import Client
    from seatrial.discoverer.bucket import Bucket

CONFLICT, NOT_FOUND, TOO_MANY, UNAUTHORIZED = 409, 404, 429, 401
_TYPES = {CONFLICT: "conflict", NOT_FOUND: "not_found", TOO_MANY: "too_many", UNAUTHORIZED: "unauthorized"}


class Refused(Exception):
    """A call that was not done, or of which that is not known (``status`` 0); ``kind`` is a word to count by."""

    def __init__(self, text: str, status: int, retry_after_s: float = 0.0, kind: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.retry_after_s = retry_after_s
        self.kind = kind or _TYPES.get(status) or ("server" if status >= 500 else "refused")


class CallCounts:
    """Counts every call to an API server, watches and lists, too, by verb, resource and status (0: none came)."""

    def __init__(self) -> None:
        self.by: Counter[tuple[str, str, int]] = Counter()

    def take(self, method: str, target: str, status: int) -> None:
        """Count one."""
        asked = read_asked(method, target)
        self.by[asked.verb, asked.resource, status] += 1


class Calls:
    """Makes calls to an API server."""

    def __init__(self, client: Client, bucket: Bucket) -> None:
        self._client = client
        self._bucket = bucket

    async def make(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """Return the object that was answered; raises :class:`Refused`."""
        await self._bucket.take()
        session = self._client.session
        await session.freshen()
        used = session.credentials
        headers = {"Accept": "application/json", "Content-Type": content_type}
        data = None if body is None else json.dumps(body).encode()
        asking = session.request(method, path, params=None, headers=headers, data=data, limit_s=LIMIT_S)
        try:
            async with asking as response:
                content = any_json(await response.read())
                status, waits = response.status, response.headers.get("Retry-After", "")
        except BREAKS as error:
            how = how_it_broke(session.server, f"{method} {path}", error, LIMIT_S)
            raise Refused(how.fault.line, 0, kind=how.kind) from None
        if status < 300 and isinstance(content, dict):
            return content
        if status == UNAUTHORIZED:
            await session.renew(used)
        said = content.get("message") if isinstance(content, dict) else None
        text = f"{method} {path}: the API server answers {status}{f': {said}' if said else ''}"
        raise Refused(text, status, float(waits) if waits.isdecimal() else 0.0)
