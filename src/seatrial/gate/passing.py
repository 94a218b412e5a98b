"""A call passed on to the API server, and its answer passed back, byte for byte."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aiohttp import web
from multidict import CIMultiDict

from seatrial.cluster.connection.breaks import BREAKS, how_it_broke
from seatrial.errors import ClusterFault
from seatrial.gate.statuses import status_answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import aiohttp

    from seatrial.cluster.connection.session import Session
    from seatrial.gate.calls import Call

    Then = Callable[[], Awaitable[web.Response | None]]

WHOLE_LIMIT = 1 << 18
"""Bytes of an answer that goes on in one piece: it is there as soon, for less work."""
# RFC 9110, section 7.6.1: they are about one connection.
_OF_A_CONNECTION = (
    "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer",
    "Transfer-Encoding", "Upgrade",
)  # fmt: skip
_OF_THE_CALLER = (*_OF_A_CONNECTION, "Authorization", "Content-Length", "Expect", "Host")


async def pass_on(
    session: Session, request: web.BaseRequest, target: str, body: bytes, call: Call, then: Then | None
) -> web.StreamResponse:
    """Return the API server's answer, which has been sent where it was long; or a 502 or 503 that says how it broke.

    ``then`` is awaited once the API server is done, and may give another answer in place of its own.
    """
    sent_ns = time.monotonic_ns()
    upstream: aiohttp.ClientResponse | None = None
    try:
        upstream = await _asked(session, request, target, body)
        call.upstream_status = upstream.status
        length = upstream.content_length
        if then is None and (length is None or length > WHOLE_LIMIT):
            return await _streamed(request, call, upstream)
        content = await upstream.read()
    except ClusterFault as fault:
        return status_answer(503, f"the gate: {fault.line}", call.asked)
    except BREAKS as error:
        how = how_it_broke(session.server, f"{request.method} {target}", error, is_read=True)
        return status_answer(502 if how.was_sent else 503, f"the gate: {how.fault.line}", call.asked)
    finally:
        call.upstream_ns = time.monotonic_ns() - sent_ns
        if upstream is not None:
            # What is not over yet is broken off by this.
            upstream.release()
    other = None if then is None else await then()
    if other is not None:
        return other
    call.bytes = len(content)
    return web.Response(
        body=content,
        status=upstream.status,
        reason=upstream.reason,
        headers=_passed(upstream.headers, _OF_A_CONNECTION if request.method == "HEAD" else _OF_AN_ANSWER),
    )


_OF_AN_ANSWER = (*_OF_A_CONNECTION, "Content-Length")


async def _asked(
    session: Session, request: web.BaseRequest, target: str, body: bytes
) -> aiohttp.ClientResponse:
    """Ask, and once more with new credentials where those in use are not good any more."""
    await session.freshen()
    used = session.credentials
    headers = _passed(request.headers, _OF_THE_CALLER)
    response = await session.relay(request.method, target, headers, body or None)
    if response.status != 401:
        return response
    response.release()
    await session.renew(used)
    return await session.relay(request.method, target, headers, body or None)


def _passed(headers: Mapping[str, str], left_out: tuple[str, ...]) -> CIMultiDict[str]:
    passed = CIMultiDict(headers)
    if "Connection" in passed:
        for name in passed.getall("Connection"):
            for word in name.split(","):
                passed.popall(word.strip(), None)
    for name in left_out:
        passed.popall(name, None)
    return passed


async def _streamed(
    request: web.BaseRequest, call: Call, upstream: aiohttp.ClientResponse
) -> web.StreamResponse:
    """Pass an answer on as it comes. One that breaks ends the client's connection: it must not pass for a whole one."""
    answer = web.StreamResponse(
        status=upstream.status,
        reason=upstream.reason,
        headers=_passed(upstream.headers, _OF_A_CONNECTION),
    )
    await answer.prepare(request)
    call.status = answer.status
    try:
        async for chunk in upstream.content.iter_any():
            await answer.write(chunk)
            call.bytes += len(chunk)
    except BREAKS:
        # What was sent before still arrives, so no reset.
        if request.transport is not None:
            request.transport.close()
    return answer
