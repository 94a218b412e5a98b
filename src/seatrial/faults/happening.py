"""A call that gets no answer: nothing comes, or its connection is reset."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

BROKEN_OFF = 0
"""In place of a status: the connection was closed without an answer."""
# Closing a socket that lingers for no time sends a reset in place of an end: socket(7), SO_LINGER.
_RESET = struct.pack("ii", 1, 0)


class BrokenOff(Exception):
    """A call that gets no answer."""


def break_off(request: web.BaseRequest) -> None:
    """Reset the connection of a call."""
    transport = request.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
