"""Scrapes of the proxies' metrics pages, as a Prometheus makes them, so that a plan can ask what that costs a proxy.

Each page has a thread of its own: a scrape is late for no other page's sake, is in the network of its proxy, and holds
up nothing that the run does. What comes is read in pieces, counted, and thrown away.
"""

from __future__ import annotations

import asyncio
import http.client
import math
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from seatrial.errors import SeatrialError
from seatrial.observe.samples import ScrapedPage
from seatrial.probe.client import Client
from seatrial.systems.local.asked import AskedProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.machine.address import Address
    from seatrial.plan.cases import Case
    from seatrial.systems.base import System

LIMIT_S = 10.0
"""How long a scrape may take: Prometheus' own default (``scrape_timeout``)."""
BODY_LIMIT_BYTES = 512 << 20
"""A page that is larger is given up. Envoy's has 18 kB for each cluster: 370 MB with the most routes of a plan."""
PIECE_BYTES = 64 << 10
ACCEPTED = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
"""What Prometheus 2.42 asks for: some proxies have a dearer format for who takes it."""
HEADERS = {
    "Accept": ACCEPTED,
    "Accept-Encoding": "gzip",
    "User-Agent": "seatrial",
    "X-Prometheus-Scrape-Timeout-Seconds": f"{LIMIT_S:g}",
}


class Scraper:
    """Scrapes every proxy of a trial's system, from ``start`` to ``stop``; nothing where the case asks for none."""

    def __init__(self, system: System, case: Case) -> None:
        every_s = case.scrape_s
        proxies = system.proxies() if every_s else ()
        found = {
            proxy.name: proxy.metrics_page if isinstance(proxy, AskedProxy) else None for proxy in proxies
        }
        pages = [(name, page) for name, page in found.items() if page is not None]
        # Spread over the interval, as those of Prometheus are.
        self._pages = [
            _Page(name, *page, every_s, place * every_s / len(pages))
            for place, (name, page) in enumerate(pages)
        ]
        self._without = [name for name, page in found.items() if page is None]
        self._is_asked, self._has_proxies, self._label = every_s > 0, bool(proxies), case.system.label

    def start(self) -> None:
        """Begin with the first page."""
        for page in self._pages:
            page.start()

    async def stop(self) -> tuple[ScrapedPage, ...]:
        """Have what was begun end, begin no more, and return how it went."""
        self.call_off()
        for page in self._pages:
            await asyncio.to_thread(page.join)
        return tuple(page.seen for page in self._pages)

    def call_off(self) -> None:
        """Begin no more, and wait for nothing: a scrape that goes on ends with its proxy, or at its limit."""
        for page in self._pages:
            page.stopped.set()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader has to know: who was not scraped though the plan says so, and what failed."""
        return tuple(self._remarks())

    def _remarks(self) -> Iterator[str]:
        if self._is_asked and not self._has_proxies:
            yield f"{self._label} was not scraped: it has no proxy"
        if self._without:
            yield f"not scraped, for want of a page in the format of Prometheus: {', '.join(self._without)}"
        for seen in (page.seen for page in self._pages):
            if seen.failed:
                whole = seen.done + seen.failed
                yield f"{seen.failed} of {whole} scrapes of {seen.member} failed, the last for this: {seen.problem}"


class _Page(threading.Thread):
    """One page. It keeps its connection, as Prometheus does, and what it sees until it is asked."""

    def __init__(self, member: str, at: Address, path: str, every_s: float, offset_s: float) -> None:
        super().__init__(name=f"scrapes {member}", daemon=True)
        self.stopped = threading.Event()
        self._member, self._path, self._every_s, self._offset_s = member, path, every_s, offset_s
        self._client = Client(at, LIMIT_S)
        self._done = self._failed = self._skipped = self._bytes_max = 0
        self._took_s_max = self._cpu_s = 0.0
        self._problem: str | None = None

    @property
    def seen(self) -> ScrapedPage:
        """How it went so far."""
        return ScrapedPage(
            self._member, self._every_s, self._done, self._failed, self._skipped, self._bytes_max,
            round(self._took_s_max, 6), round(self._cpu_s, 6), self._problem,
        )  # fmt: skip

    def run(self) -> None:
        """Scrape at every step of the interval until stopped; a step that comes while one goes on is skipped."""
        due_s = time.monotonic() + self._offset_s
        try:
            while not self.stopped.wait(max(0.0, due_s - time.monotonic())):
                self._scrape()
                late_s = time.monotonic() - due_s
                steps = max(1, math.ceil(late_s / self._every_s))
                self._skipped += steps - 1
                due_s += steps * self._every_s
                self._cpu_s = time.thread_time()
        finally:
            self._client.close()

    def _scrape(self) -> None:
        began_s = time.monotonic()
        try:
            size = self._read(began_s + LIMIT_S)
        except (OSError, http.client.HTTPException, SeatrialError) as error:
            self._client.close()
            self._failed += 1
            self._problem = str(error) or type(error).__name__
            return
        self._done += 1
        self._bytes_max = max(self._bytes_max, size)
        self._took_s_max = max(self._took_s_max, time.monotonic() - began_s)

    def _read(self, until_s: float) -> int:
        if self._client.sock is not None:
            # The other side may have closed what was kept, as one does that was restarted: Prometheus asks anew, too.
            with suppress(ConnectionError):
                return self._ask(until_s)
            self._client.close()
        return self._ask(until_s)

    def _ask(self, until_s: float) -> int:
        self._client.request("GET", self._path, headers=HEADERS)
        response = self._client.getresponse()
        size = 0
        while piece := response.read1(PIECE_BYTES):
            size += len(piece)
            if size > BODY_LIMIT_BYTES:
                raise http.client.HTTPException(f"a page of more than {BODY_LIMIT_BYTES >> 20} MiB")
            if time.monotonic() > until_s:
                raise TimeoutError(f"no whole page within {LIMIT_S:g} s")
        if response.status != http.HTTPStatus.OK:
            raise http.client.HTTPException(f"it answers {response.status}")
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        # What was read to its end in pieces does not say so to its connection, which would take no request after it.
        response.close()
        return size
