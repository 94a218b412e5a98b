"""Remote-write 1.0: a run's metrics sent to whoever receives them, with retries and a buffer that has an end.

(Prometheus, "Remote-Write 1.0 specification", 2023.) What cannot be sent now is sent later, oldest first; what the
receiver refuses is not sent again; what does not fit into the buffer is left out. Each of these is said once.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections import deque
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import cramjam

from seatrial._version import __version__
from seatrial.live.exposition import protobuf
from seatrial.live.exposition.catalogue import families_of
from seatrial.live.exposition.distribution import Distribution
from seatrial.live.exposition.text import samples_of
from seatrial.observe.prometheus.faults import cause_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from seatrial.live.exposition.board import Board
    from seatrial.live.exposition.families import Family

INTERVAL_S = 5.0
BUFFER_LIMIT = 120
"""Ten minutes of requests; each has some tens of KB."""
RETRY_FIRST_S, RETRY_LIMIT_S = 1.0, 30.0
ANSWER_LIMIT_S = 10.0
STALE: float = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
"""What ends a series: this NaN and no other (Prometheus, ``model/value``)."""
METADATA_EVERY = 12

Labels = tuple[tuple[str, str], ...]


class RemoteWriter:
    """Sends a board every ``interval_s`` until it is cancelled. ``note`` takes what belongs in the journal.

    With ``native`` histograms are sent as native ones beside their classic buckets. A user and a password in ``url``
    are sent as basic authentication, and are in no note.
    """

    def __init__(
        self,
        url: str,
        board: Board,
        note: Callable[[str], None],
        *,
        interval_s: float = INTERVAL_S,
        native: bool = False,
    ) -> None:
        self.sent = self.dropped = self.refused = 0
        self._url = url
        self._shown = without_secrets(url)
        self._board = board
        self._note = note
        self._interval_s = interval_s
        self._native = native
        self._headers = {
            "Content-Encoding": "snappy",
            "Content-Type": "application/x-protobuf",
            "User-Agent": f"seatrial/{__version__}",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }
        self._waiting: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._alive: set[Labels] = set()
        self._collected = 0
        self._said: set[str] = set()

    async def run(self) -> None:
        """Collect and send until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._collect_always())
            group.create_task(self._send_always())

    async def finish(self, limit_s: float) -> None:
        """Collect a last time, end every series, and send what waits for as long as ``limit_s``; ``run`` has ended."""
        self._collect()
        self._collect(ending=True)
        try:
            async with asyncio.timeout(limit_s), self._session() as session:
                while self._waiting:
                    asked_s = await self._send_first(session)
                    if asked_s is not None:
                        await asyncio.sleep(min(RETRY_LIMIT_S, max(RETRY_FIRST_S, asked_s)))
        except TimeoutError:
            self._say("left", f"{len(self._waiting)} remote-write requests could not be sent before the end")

    async def _collect_always(self) -> None:
        while True:
            self._collect()
            await asyncio.sleep(self._interval_s)

    def _collect(self, *, ending: bool = False) -> None:
        """Put the board as it is now into a request, and end the series that are not there any more."""
        at_ms = int(time.time() * 1_000)
        families = families_of(self._board)
        found = {} if ending else dict(self._samples(families))
        gone = self._alive - set(found)
        self._alive = set(found)
        series = [protobuf.time_series(dict(labels), value, at_ms) for labels, value in found.items()]
        series += [protobuf.time_series(dict(labels), STALE, at_ms + 1) for labels in gone]
        if not series:
            return
        with_metadata = self._collected % METADATA_EVERY == 0
        self._collected += 1
        request = protobuf.write_request(series, families if with_metadata else ())
        if len(self._waiting) >= BUFFER_LIMIT:
            self._waiting.popleft()
            self.dropped += 1
            self._say(
                "dropped", f"remote-write to {self._shown} does not keep up: the oldest samples are left out"
            )
        self._waiting.append(bytes(cramjam.snappy.compress_raw(request)))
        self._filled.set()

    def _samples(self, families: list[Family]) -> Iterator[tuple[Labels, float | Distribution]]:
        for family in families:
            for one in family.series:
                for name, labels, value in samples_of(family, one.labels, one.value):
                    yield _key(name, labels), value
                if self._native and isinstance(one.value, Distribution):
                    yield _key(family.name, one.labels), one.value

    async def _send_always(self) -> None:
        wait_s = RETRY_FIRST_S
        async with self._session() as session:
            while True:
                await self._filled.wait()
                if not self._waiting:
                    self._filled.clear()
                    continue
                asked_s = await self._send_first(session)
                if asked_s is None:
                    wait_s = RETRY_FIRST_S
                    continue
                await asyncio.sleep(min(RETRY_LIMIT_S, max(wait_s, asked_s)))
                wait_s = min(RETRY_LIMIT_S, wait_s * 2)

    def _session(self) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=ANSWER_LIMIT_S)
        return aiohttp.ClientSession(headers=self._headers, timeout=timeout, trust_env=False)

    async def _send_first(self, session: aiohttp.ClientSession) -> float | None:
        """Send the oldest request; return None where it is done with, else how long to wait before it is sent again."""
        first = self._waiting[0]
        try:
            async with session.post(self._url, data=first, allow_redirects=False) as answer:
                text = (await answer.content.read(500)).decode(errors="replace").strip()
                status, retry_after = answer.status, answer.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # Some of them quote the address.
            cause = cause_of(error, ANSWER_LIMIT_S).replace(self._url, self._shown)
            self._say("away", f"remote-write to {self._shown} does not answer: {cause}")
            return RETRY_FIRST_S
        if status // 100 == 5 or status == 429:
            self._say("away", f"remote-write to {self._shown} answers {status}: {text[:200]}")
            return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else RETRY_FIRST_S
        # Meanwhile it may have been left out for a newer one.
        if self._waiting and self._waiting[0] is first:
            self._waiting.popleft()
        if status // 100 == 2:
            self.sent += 1
            self._said.discard("away")
        else:
            self.refused += 1
            self._say(
                "refused", f"remote-write to {self._shown} refuses what is sent, {status}: {text[:200]}"
            )
        return None

    def _say(self, what: str, text: str) -> None:
        """Note something once, until it has been mended."""
        if what not in self._said:
            self._said.add(what)
            self._note(text)


def without_secrets(url: str) -> str:
    """Return a URL without a user, a password and a query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _key(name: str, labels: Mapping[str, str]) -> Labels:
    return tuple(sorted({**labels, "__name__": name}.items()))
