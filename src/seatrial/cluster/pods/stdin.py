"""A container's standard input, by an attach websocket: lines go in, and it is opened again when it breaks.

Kubernetes says nothing of what arrived: the program answers, through its log. A line that is sent again after a break
may be there twice, so lines that must count once carry a number. Closing leaves the input open (``stdin: true`` and
``stdinOnce: false`` in the container), and another attach can go on.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Self

from seatrial.cluster.connection.breaks import BREAKS
from seatrial.errors import ClusterFault

if TYPE_CHECKING:
    import aiohttp

    from seatrial.cluster.client import Client

PROTOCOLS = ("v4.channel.k8s.io",)
"""With v5 an API server takes lines before it has reached the container, and loses them where it does not."""
SEND_LIMIT_S = 30.0
ATTACH_LIMIT_S = 5.0
_STDIN = b"\0"
_ERROR_CHANNEL = 3
_MESSAGE_BYTES = 32 << 10
"""What one message carries: the least that a server between is known to take."""
_PAUSE_S = 0.2


class Stdin:
    """A way into one container; a context manager. ``opened`` counts how often it was opened."""

    def __init__(self, client: Client, namespace: str, pod: str, container: str) -> None:
        self.opened = 0
        self.name = f"{namespace}/{pod}/{container}"
        self._client = client
        self._path = f"/api/v1/namespaces/{namespace}/pods/{pod}/attach"
        self._params = [("container", container), ("stdin", "true"), ("stdout", "false"), ("stderr", "false")]
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reading: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()
        self._was_cut = False

    async def __aenter__(self) -> Self:
        """Return itself; it is opened when something is sent."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it; the program in there goes on."""
        await self.close()

    async def send(self, line: str, limit_s: float = SEND_LIMIT_S) -> None:
        """Send one line, given without its end; again from its beginning where the way in breaks meanwhile.

        A container that is still starting is waited for: until it runs, attaching to it is a bad request (400). Raises
        ``ClusterFault`` where it is refused, or has not come about within ``limit_s``.
        """
        deadline_s = time.monotonic() + limit_s
        async with self._sending:
            while True:
                try:
                    # An end of line first ends what is left there of an attempt that was cut off.
                    await self._send_once(f"\n{line}\n" if self._was_cut else f"{line}\n")
                except ClusterFault as fault:
                    if fault.status in {401, 403, 404} or time.monotonic() + _PAUSE_S >= deadline_s:
                        raise
                    await asyncio.sleep(_PAUSE_S)
                else:
                    return

    async def close(self) -> None:
        """Close the websocket, if one is open."""
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
            self._reading = None

    async def _send_once(self, text: str) -> None:
        if self._socket is None or self._socket.closed:
            await self.close()
            asked = f"attach to {self.name}"
            self._socket = await self._client.websocket(self._path, self._params, PROTOCOLS, asked=asked)
            attached = asyncio.Event()
            self._reading = asyncio.create_task(self._read(self._socket, attached))
            await self._await_attached(attached)
            self.opened += 1
        data = text.encode()
        try:
            for start in range(0, len(data), _MESSAGE_BYTES):
                await self._socket.send_bytes(_STDIN + data[start : start + _MESSAGE_BYTES])
        except BREAKS:
            await self.close()
            self._was_cut = True
            raise self._fault("the connection broke") from None
        self._was_cut = False

    async def _await_attached(self, attached: asyncio.Event) -> None:
        """Wait until the node's runtime has said that the container has this input."""
        try:
            async with asyncio.timeout(ATTACH_LIMIT_S):
                await attached.wait()
        except TimeoutError:
            await self.close()
            raise self._fault(f"its node did not confirm within {ATTACH_LIMIT_S:g} s") from None
        if self._socket is None or self._socket.closed:
            await self.close()
            raise self._fault("its node ended it at once")

    def _fault(self, why: str) -> ClusterFault:
        return ClusterFault(
            f"cannot send to {self.name}: {why}",
            next_step="see whether the pod and its node are well: kubectl get pods -o wide",
        )

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, attached: asyncio.Event) -> None:
        """Take what comes, so that pings are answered: an empty message once it is attached, an error, the end."""
        async for message in socket:
            if (
                isinstance(message.data, bytes)
                and len(message.data) > 1
                and message.data[0] == _ERROR_CHANNEL
            ):
                break
            attached.set()
        await socket.close()
        attached.set()
