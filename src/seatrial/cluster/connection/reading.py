"""An answer that has no end by itself, such as a watch or a log that is followed: read line by line, as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.cluster import faults
from seatrial.cluster.connection.breaks import BREAKS, how_it_broke
from seatrial.cluster.connection.lines import Lines
from seatrial.cluster.connection.session import any_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import aiohttp

    from seatrial.cluster.connection.session import Session
    from seatrial.errors import ClusterFault


class Reading:
    """One such request, a context manager that yields its lines; see :meth:`seatrial.cluster.client.Client.lines`.

    A class, and no generator: whoever reads is often one that is left in the middle, and closed in whichever order.
    """

    def __init__(self, session: Session, path: str, request: Mapping[str, Any], asked: str) -> None:
        self._session = session
        self._path = path
        self._request = request
        self._asked = asked
        self._response: aiohttp.ClientResponse | None = None

    async def __aenter__(self) -> Lines:
        """Ask; return what comes."""
        await self._session.freshen()
        used = self._session.credentials
        fault: ClusterFault | None = None
        try:
            response = await self._session.request("GET", self._path, limit_s=None, **self._request)
            if response.status == 200:
                self._response = response
                return Lines(self._chunks(response))
            fault = faults.of_status(self._asked, response.status, any_json(await response.read()))
        except BREAKS as error:
            fault = self._broken(error)
        if fault.status == 401:
            await self._session.renew(used)
        raise fault

    async def __aexit__(self, *_: object) -> None:
        """Break it off."""
        if self._response is not None:
            self._response.close()

    async def _chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        try:
            while chunk := await response.content.readany():
                yield chunk
        except BREAKS as error:
            raise self._broken(error) from None

    def _broken(self, error: BaseException) -> ClusterFault:
        limit_s = self._request["quiet_limit_s"]
        return how_it_broke(self._session.server, self._asked, error, limit_s, is_read=True).fault
