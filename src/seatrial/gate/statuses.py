"""Errors in the form in which an API server gives them: a ``Status`` object, which every client of one reads."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from seatrial.faults.control import json_answer

if TYPE_CHECKING:
    from aiohttp import web

    from seatrial.cluster.asked import Asked

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
"""Of apimachinery's ``metav1.StatusReason``; what has none there has an empty one."""


def status_answer(
    status: int, message: str, asked: Asked | None = None, retry_after_s: float | None = None
) -> web.Response:
    """Return an error; ``retry_after_s`` is rounded up to whole seconds, which is all that the header can say."""
    details: dict[str, Any] = {}
    if asked is not None:
        details = {"name": asked.name, "group": asked.group, "kind": asked.resource.partition("/")[0]}
    headers = {}
    if retry_after_s is not None:
        details["retryAfterSeconds"] = math.ceil(retry_after_s)
        headers["Retry-After"] = str(math.ceil(retry_after_s))
    document = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": _REASONS.get(status, ""),
        "details": {key: value for key, value in details.items() if value != ""},
        "code": status,
    }
    return json_answer(document, status, headers)


def planted_answer(status: int, asked: Asked, retry_after_s: float | None) -> web.Response:
    """Return the answer that a fault gives."""
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "an error"
    return status_answer(status, f"a fault that was planted: {phrase.lower()}", asked, retry_after_s)
