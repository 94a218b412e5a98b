"""What is known of a call before its service answers: whose token it carries, and what befalls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from seatrial.faults.planted import Planted
from seatrial.openstack.api.answers import base_of, unauthorized
from seatrial.openstack.cloud.tokens import Token

if TYPE_CHECKING:
    from seatrial.openstack.cloud.tokens import Tokens

TOKEN = web.RequestKey("token", Token)
PAGE_FAULT = web.RequestKey("page_fault", Planted)
"""Where the page of a list is to change while it is being listed."""


def look_up_token(request: web.Request, tokens: Tokens) -> Token | None:
    """Find the token of a call, which :func:`caller` gives from then on."""
    token = tokens.find(request.headers.get("X-Auth-Token", ""))
    if token is not None:
        request[TOKEN] = token
    return token


def caller(request: web.Request) -> Token:
    """Return the token of a call; raises ``Refused`` where it has no good one."""
    token: Token | None = request.get(TOKEN)
    if token is None:
        raise unauthorized(base_of(request))
    return token
