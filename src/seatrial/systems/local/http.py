"""One small GET of an admin or status page."""

from __future__ import annotations

import asyncio
import http.client
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seatrial.machine.address import Address

LIMIT_S = 5.0


async def get(address: Address, path: str, limit_s: float = LIMIT_S) -> tuple[int, str]:
    """Return status and body; raise ``OSError`` or ``http.client.HTTPException`` where there is no answer."""
    return await asyncio.to_thread(_get, address, path, limit_s)


def _get(address: Address, path: str, limit_s: float) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address.host, address.port, timeout=limit_s)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    finally:
        connection.close()
