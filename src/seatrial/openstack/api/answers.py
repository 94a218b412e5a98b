"""Answers of the three services, and the words in which each refuses.

Keystone: ``{"error": {...}}``, which the middleware of the others says of tokens, too. Neutron:
``{"NeutronError": ...}``. Octavia: the ``faultstring`` of WSME.
"""

from __future__ import annotations

import json
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from seatrial.faults.control import json_answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

BODY_LIMIT = 1 << 20
"""Bytes of a request: a load balancer is less than 10 KB."""


class Face(Enum):
    """Whose answer it is."""

    KEYSTONE = "identity"
    NEUTRON = "network"
    OCTAVIA = "load-balancer"


class Refused(Exception):
    """What a service refuses. ``reason`` is Neutron's name for it."""

    def __init__(
        self, status: int, text: str, reason: str = "BadRequest", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.reason = reason
        self.headers = dict(headers or {})


def refusal(face: Face, refused: Refused) -> web.Response:
    """Return the answer in the words of a service."""
    title = HTTPStatus(refused.status).phrase if refused.status in set(HTTPStatus) else "Error"
    if face is Face.KEYSTONE or refused.status == HTTPStatus.UNAUTHORIZED:
        document: dict[str, Any] = {
            "error": {"code": refused.status, "message": refused.text, "title": title}
        }
    elif refused.status == HTTPStatus.TOO_MANY_REQUESTS:
        wait_s = refused.headers.get("Retry-After", "1")
        document = {
            "overLimit": {
                "code": refused.status,
                "message": refused.text,
                "details": f"wait {wait_s} s",
                "retryAfter": wait_s,
            }
        }
    elif face is Face.NEUTRON:
        document = {"NeutronError": {"type": refused.reason, "message": refused.text, "detail": ""}}
    else:
        side = "Client" if refused.status < HTTPStatus.INTERNAL_SERVER_ERROR else "Server"
        document = {"faultcode": side, "faultstring": refused.text, "debuginfo": None}
    return json_answer(document, refused.status, refused.headers)


def unauthorized(base: str) -> Refused:
    """Return what is answered without a good token."""
    return Refused(
        401,
        "The request you have made requires authentication.",
        headers={"WWW-Authenticate": f'Keystone uri="{base}/identity"'},
    )


def base_of(request: web.Request) -> str:
    """Return where the client has found the cloud: every URL that it is given leads there again."""
    return f"{request.scheme}://{request.host}"


async def body_of(request: web.Request) -> dict[str, Any]:
    """Return the JSON object of a request."""
    try:
        document = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise Refused(400, "Malformed request body: it is no JSON.", "HTTPBadRequest") from error
    if not isinstance(document, dict):
        raise Refused(400, "Malformed request body: it is no JSON object.", "HTTPBadRequest")
    return document
