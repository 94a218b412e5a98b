"""Asking a system for its admin or status page, in the network where it listens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from seatrial.probe.client import Client

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.machine.address import Address

LIMIT_S = 5.0


async def get(address: Address, path: str, limit_s: float = LIMIT_S) -> tuple[int, str]:
    """Return status and body; raise ``OSError`` or ``http.client.HTTPException`` where there is no answer."""
    return await asyncio.to_thread(_ask, address, "GET", path, None, {}, limit_s)


async def post(
    address: Address, path: str, body: bytes, headers: Mapping[str, str], limit_s: float = LIMIT_S
) -> tuple[int, str]:
    """Post a body and return as ``get`` does; raise as it does, too."""
    return await asyncio.to_thread(_ask, address, "POST", path, body, headers, limit_s)


def _ask(
    address: Address, method: str, path: str, body: bytes | None, headers: Mapping[str, str], limit_s: float
) -> tuple[int, str]:
    connection = Client(address, limit_s)
    try:
        connection.request(method, path, body, {"Connection": "close", **headers})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    finally:
        connection.close()
