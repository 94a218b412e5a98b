"""What the client of the gate talks to: each call is held against the faults, passed on as it is, and counted."""

from __future__ import annotations

import asyncio
import hmac
import logging
from typing import TYPE_CHECKING

from aiohttp import web

from seatrial.cluster.asked import read_asked
from seatrial.faults.fault import DEFAULT_TIMEOUT_S
from seatrial.faults.happening import BROKEN_OFF, BrokenOff, break_off
from seatrial.gate.passing import pass_on
from seatrial.gate.statuses import planted_answer, status_answer

if TYPE_CHECKING:
    from seatrial.cluster.connection.session import Session
    from seatrial.faults.planted import Faults, Planted
    from seatrial.gate.calls import Call, Calls
    from seatrial.gate.fault import GateFault

    Befalling = tuple[float, Planted[GateFault] | None]

BODY_LIMIT = 16 << 20
"""Bytes of a request: an API server takes 3 MiB."""
HEAD_LIMIT = 1 << 20
"""Bytes of a line of a head, as of an API server: selectors are long."""

# What a client does wrong is answered to it.
_QUIET = logging.getLogger("seatrial.gate")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False


class Front:
    """Passes on the calls of whoever knows the secret; ``refused`` counts those of others.

    The secret is the first part of the path, or a bearer token. Over plain HTTP client-go sends no token of its
    kubeconfig (``IsConfigTransportTLS`` in its ``clientcmd``), and every client keeps to the path of its server.
    """

    def __init__(self, session: Session, secret: str, calls: Calls, faults: Faults[GateFault]) -> None:
        self.refused = 0
        self._session = session
        self._prefix = f"/{secret}/".encode()
        self._bearer = f"Bearer {secret}".encode()
        self._calls = calls
        self._faults = faults

    def server(self) -> web.Server:
        """Return it as a server of aiohttp, within a running loop; a client that goes away ends its call."""
        return web.Server(
            self._answer,
            handler_cancellation=True,
            access_log=None,
            logger=_QUIET,
            auto_decompress=False,
            max_line_size=HEAD_LIMIT,
            max_field_size=HEAD_LIMIT,
        )

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        target = self._allowed(request)
        if target is None:
            self.refused += 1
            return status_answer(401, "the gate answers to those that have its kubeconfig")
        asked = read_asked(request.method, target)
        call = self._calls.begin(asked, request.method, request.headers.get("User-Agent", ""))
        try:
            answer = await self._answered(request, target, call)
            call.status = answer.status
        except BrokenOff:
            # There is nobody to send it to.
            call.status, answer = BROKEN_OFF, web.Response()
            break_off(request)
        except Exception as error:  # noqa: BLE001 - a bug ends one call, and nothing else
            answer = status_answer(500, f"seatrial has a bug: {type(error).__name__}: {error}", asked)
            call.status = answer.status
        finally:
            self._calls.end(call)
        return answer

    def _allowed(self, request: web.BaseRequest) -> str | None:
        """Return the path and query that are meant; None for a caller who does not know the secret."""
        raw, length = request.raw_path, len(self._prefix)
        if hmac.compare_digest(raw[:length].encode(), self._prefix):
            return raw[length - 1 :]
        given = request.headers.get("Authorization", "").encode()
        return raw if raw.startswith("/") and hmac.compare_digest(given, self._bearer) else None

    async def _answered(self, request: web.BaseRequest, target: str, call: Call) -> web.StreamResponse:
        if "Upgrade" in request.headers:
            words = "the gate passes no connection on that is upgraded (exec, attach, port-forward)"
            return status_answer(501, words, call.asked)
        body = await _body(request)
        if body is None:
            return status_answer(413, f"the gate takes {BODY_LIMIT:,} bytes at most", call.asked)
        if not self._faults:
            return await pass_on(self._session, request, target, body, call, None)
        befallen = await _happen(call, self._befalling(call, after=False))
        if befallen is not None:
            return befallen
        later = self._befalling(call, after=True)
        then = None if later == (0.0, None) else lambda: _happen(call, later)
        return await pass_on(self._session, request, target, body, call, then)

    def _befalling(self, call: Call, *, after: bool) -> Befalling:
        return self._faults.befalling(lambda fault: fault.after == after and fault.is_about(call.asked))


async def _body(request: web.BaseRequest) -> bytes | None:
    """Return the body of a request, as it is; None where it is too long."""
    if not request.body_exists:
        return b""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # What is counted is how much of the answer has been sent.
        request.writer.output_size = 0
    parts, size = [], 0
    while chunk := await request.content.readany():
        parts.append(chunk)
        size += len(chunk)
        if size > BODY_LIMIT:
            return None
    return b"".join(parts)


async def _happen(call: Call, befalling: Befalling) -> web.Response | None:
    """Have befall a call what does; return its answer, or None where it goes on. Raises ``BrokenOff``."""
    latency_s, planted = befalling
    if latency_s:
        call.fault = "latency"
        await asyncio.sleep(latency_s)
    if planted is None:
        return None
    fault = planted.fault
    call.fault = fault.kind
    if fault.kind == "status":
        return planted_answer(fault.status or 500, call.asked, fault.retry_after_s)
    if fault.kind == "timeout":
        # A client that gives up sooner cancels this.
        await asyncio.sleep(fault.time_s or DEFAULT_TIMEOUT_S)
    raise BrokenOff
