"""Calls to an API server, with dicts: time limits, and calls made again only where that is safe.

What is safe: a 429 was not done, nor was what never left for want of a connection; reads, deletions and what is applied
can be done twice. A creation that was cut off may have been done, and is the caller's to find out.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from seatrial.cluster import faults
from seatrial.cluster.answers import Answer, Counts
from seatrial.cluster.connection.breaks import BREAKS, how_it_broke, never_answered
from seatrial.cluster.connection.reading import Reading
from seatrial.cluster.connection.session import any_json
from seatrial.cluster.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import aiohttp

    from seatrial.cluster.connection.breaks import Break
    from seatrial.cluster.connection.credentials import Credentials
    from seatrial.cluster.connection.session import Session
    from seatrial.errors import ClusterFault

LIMIT_S = 30.0
"""A call's time in all, with what it waits before it is made again: an API server's own limit is 60 s."""
PatchKind = Literal["apply", "merge", "strategic", "json"]
_CONTENT_TYPES: Mapping[PatchKind, str] = {
    "apply": "application/apply-patch+yaml",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_PAUSE_FIRST_S = 0.1
_PAUSE_LIMIT_S = 2.0
_SPREAD_LIMIT = 4.0


@dataclass(frozen=True, slots=True)
class _Call:
    """One call: ``asked`` is for people, ``again`` whether it can be done twice."""

    asked: str
    method: str
    path: str
    params: Mapping[str, str] | None
    again: bool
    limit_s: float
    headers: Mapping[str, str] = field(default_factory=dict)
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Again:
    """Why an attempt is to be made again, by a word to count, and after how long (None: as the client has it).

    ``refused`` are the credentials that the API server does not know.
    """

    why: str
    fault: ClusterFault
    pause_s: float | None = None
    refused: Credentials | None = None


class Client:
    """An open cluster: a context manager; made by :func:`seatrial.cluster.access.open_cluster`.

    Every method raises ``ClusterFault``. ``limit_s`` is of the whole call, however often it is made again.
    ``version`` is the API server's, such as ``v1.34.4``.
    """

    def __init__(self, session: Session, reference: Mapping[str, Any]) -> None:
        self.session = session
        self.reference = dict(reference)
        """How to reach this cluster again, without anything secret: what is written down of it."""
        self.version = ""
        self.counts = Counts()
        self.resources = Resources(self)
        self._has_answered = False

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        await self.session.close()

    async def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        accept: str = "application/json",
        limit_s: float = LIMIT_S,
        asked: str = "",
    ) -> Answer:
        """Read; ``accept`` may ask for another form, such as :data:`METADATA_ONLY`. What is no JSON comes as text."""
        headers = {"Accept": accept}
        return await self._made(_Call(asked or f"GET {path}", "GET", path, params, True, limit_s, headers))

    async def post(  # noqa: PLR0913 - what is seldom said is named
        self,
        path: str,
        body: Mapping[str, Any],
        params: Mapping[str, str] | None = None,
        *,
        again: bool = False,
        accept: str = "application/json",
        limit_s: float = LIMIT_S,
        asked: str = "",
    ) -> Answer:
        """Create; ``again`` where it may be done twice, as a review may.

        Where it was cut off and may have been done the fault's reason is :data:`faults.UNKNOWN_WHETHER_DONE`.
        """
        call = _Call(asked or f"POST {path}", "POST", path, params, again, limit_s)
        return await self._made(_with_body(call, body, "application/json", accept))

    async def patch(  # noqa: PLR0913
        self,
        path: str,
        body: Any,
        kind: PatchKind = "merge",
        params: Mapping[str, str] | None = None,
        *,
        accept: str = "application/json",
        limit_s: float = LIMIT_S,
        asked: str = "",
    ) -> Answer:
        """Change; a JSON patch alone is not made again, for its steps may build on each other."""
        call = _Call(asked or f"PATCH {path}", "PATCH", path, params, kind != "json", limit_s)
        return await self._made(_with_body(call, body, _CONTENT_TYPES[kind], accept))

    async def delete(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        *,
        limit_s: float = LIMIT_S,
        asked: str = "",
    ) -> Answer:
        """Delete; what is gone already is a fault with status 404."""
        call = _Call(asked or f"DELETE {path}", "DELETE", path, params, True, limit_s)
        return await self._made(_with_body(call, body or {}, "application/json", "application/json"))

    def lines(
        self,
        path: str,
        params: Mapping[str, str],
        *,
        quiet_limit_s: float,
        accept: str = "*/*",
        asked: str = "",
    ) -> Reading:
        """Read an answer that has no end by itself, line by line: a context manager; made once.

        Raises ``ClusterFault``, also from within: with a status where the API server refused, with 0 where the stream
        broke, or nothing came for ``quiet_limit_s``. An end in order just ends it.
        """
        request = {"params": params, "headers": {"Accept": accept}, "quiet_limit_s": quiet_limit_s}
        return Reading(self.session, path, request, asked or f"GET {path}")

    async def websocket(
        self, path: str, params: list[tuple[str, str]], protocols: tuple[str, ...], *, asked: str = ""
    ) -> aiohttp.ClientWebSocketResponse:
        """Open a websocket, once."""
        await self.session.freshen()
        try:
            return await self.session.websocket(path, params, protocols)
        except BREAKS as error:
            asked = asked or f"open {path}"
            status = getattr(error, "status", 0)
            if status and status != 101:
                raise faults.of_status(asked, status, None) from None
            raise how_it_broke(self.session.server, asked, error, is_read=True).fault from None

    async def _made(self, call: _Call) -> Answer:
        """Make a call, again and again where that is safe, until it is answered or its time is over."""
        self.counts.calls += 1
        deadline_s = time.monotonic() + call.limit_s
        pauses = _pauses()
        attempts, was_renewed = 1, False
        while not isinstance(came := await self._attempt(call, deadline_s, attempts), Answer):
            pause_s = next(pauses) if came.pause_s is None else came.pause_s
            if time.monotonic() + pause_s >= deadline_s or (came.refused and was_renewed):
                raise came.fault
            if came.refused:
                was_renewed = True
                await self.session.renew(came.refused)
            self.counts.retries[came.why] += 1
            self.counts.waited_s += pause_s
            await asyncio.sleep(pause_s)
            attempts += 1
        return came

    async def _attempt(self, call: _Call, deadline_s: float, number: int) -> Answer | _Again:
        await self.session.freshen()
        used, sent_s = self.session.credentials, time.monotonic()
        asking = self.session.request(
            call.method,
            call.path,
            params=call.params,
            headers=call.headers,
            data=call.data,
            limit_s=max(deadline_s - sent_s, 0.001),
        )
        how: Break | None = None
        try:
            async with asking as response:
                answered_s = time.monotonic()
                content = await response.read()
        except BREAKS as error:
            how = how_it_broke(
                self.session.server, call.asked, error, call.limit_s, is_read=call.method == "GET"
            )
        if how is not None:
            return self._after(call, how)
        self._has_answered = True
        answer = Answer(any_json(content), response.status, sent_s, answered_s, number)
        if answer.status < 300:
            return answer
        if answer.status == 401:
            return _Again("401", faults.of_status(call.asked, 401, answer.body), 0.0, used)
        return self._refused(call, answer, response.headers)

    def _after(self, call: _Call, how: Break) -> _Again:
        """Return that a call that broke is made again; raise its fault where that is unsafe or of no use.

        A server that was never there is not waited for: whoever asks has its address wrong, or no way to it.
        """
        if how.is_lasting or (how.was_sent and not call.again) or how.kind == "timeout":
            raise how.fault
        if not self._has_answered:
            raise never_answered(self.session.server) if how.was_sent else how.fault
        return _Again(how.kind, how.fault)

    def _refused(self, call: _Call, answer: Answer, headers: Mapping[str, str]) -> _Again:
        """Return that a call that was refused is made again; raise its fault where that is unsafe or of no use."""
        fault = faults.of_status(call.asked, answer.status, answer.body)
        wait_s = _retry_after(headers, answer.attempts)
        if answer.status == 429:
            self.counts.take_rejection(headers)
            return _Again("429", fault, wait_s)
        if answer.status >= 500 and call.again and (call.method == "GET" or wait_s is not None):
            return _Again(str(answer.status), fault, wait_s)
        raise fault


def _with_body(call: _Call, body: Any, content_type: str, accept: str) -> _Call:
    headers = {"Accept": accept, "Content-Type": content_type}
    return replace(call, headers=headers, data=json.dumps(body).encode())


def _retry_after(headers: Mapping[str, str], attempts: int) -> float | None:
    """Return how long to wait where an API server asks for it, None where it does not.

    As long as it says, which is a second, and more the more often: who was turned away together would come together.
    """
    spread = min(0.1 + (attempts - 1) / 2, _SPREAD_LIMIT)
    try:
        return int(headers["Retry-After"]) * (1 + spread * random.random())
    except (KeyError, ValueError):
        return None


def _pauses() -> Iterator[float]:
    pause_s = _PAUSE_FIRST_S
    while True:
        # Somewhat apart, so that calls that broke together do not come back together.
        yield pause_s * (0.5 + random.random())
        pause_s = min(2 * pause_s, _PAUSE_LIMIT_S)
