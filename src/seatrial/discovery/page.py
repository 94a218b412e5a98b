"""A discoverer's own page: what its queue does, by the names that its kind has for it."""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from typing import TYPE_CHECKING

import aiohttp

from seatrial.discovery.facts import QueueSample

if TYPE_CHECKING:
    from collections.abc import Callable

    from seatrial.systems.discovering import Begun

LIMIT_S = 5.0
BYTES_LIMIT = 4 << 20
"""Of a page: while Seatrial reads one that is longer it sees late what is at the destination."""


class QueuePage:
    """Reads the page every ``every_s``, and gives each look to ``take``; one that does not answer yields nothing."""

    def __init__(self, begun: Begun, every_s: float, take: Callable[[QueueSample], None]) -> None:
        self.last: QueueSample | None = None
        self.silent: str | None = begun.metrics_url
        """Where it is, as long as it has not answered; None where there is none."""
        self._begun = begun
        self._tls = True if begun.ca is None else ssl.create_default_context(cafile=begun.ca)
        self._every_s = every_s
        self._take = take

    @property
    def promised(self) -> tuple[str, ...]:
        """Which figures the page should have, by the discoverer's kind; none where there is no page."""
        if self._begun.metrics_url is None:
            return ()
        names = self._begun.queue
        return tuple(name for name in ("depth", "enqueued", "done") if getattr(names, name))

    async def run(self) -> None:
        """Read it until it is called off."""
        if self._begun.metrics_url is None:
            return
        timeout = aiohttp.ClientTimeout(total=LIMIT_S)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            while True:
                due_s = time.monotonic() + self._every_s
                if (sample := await self._look(session)) is not None:
                    self.last, self.silent = sample, None
                    self._take(sample)
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))

    async def _look(self, session: aiohttp.ClientSession) -> QueueSample | None:
        assert self._begun.metrics_url is not None
        try:
            async with session.get(self._begun.metrics_url, ssl=self._tls) as answer:
                text = await _text(answer)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return None
        if text is None or answer.status != 200:
            return None
        names = self._begun.queue
        return QueueSample(
            time.monotonic(),
            value_of(text, names.depth),
            value_of(text, names.enqueued),
            value_of(text, names.done),
            value_of(text, names.dropped),
            value_of(text, names.retries),
        )


async def _text(answer: aiohttp.ClientResponse) -> str | None:
    """Return what a page has; None where that is more than a page should have."""
    parts, size = [], 0
    async for part in answer.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > BYTES_LIMIT:
            return None
    return b"".join(parts).decode()


def value_of(text: str, name: str) -> float | None:
    """Return the sum of the series of a name on a page in Prometheus' text format; None where there is none.

    With labels, as in ``workqueue_depth{name="x"}``, of those series that have all of them. The page may be long, and
    is looked at often: only lines that begin with the name are read. Nothing is below 0, nor without end: a series that
    says so says nothing.
    """
    metric, _, labels = name.partition("{")
    if not metric:
        return None
    wanted = [label for label in labels.rstrip("}").split(",") if label]
    found = [
        value
        for line in text.splitlines()
        if line.startswith(metric)
        and line[len(metric) : len(metric) + 1] in {"{", " "}
        and all(label in line for label in wanted)
        and (value := _number(line)) is not None
    ]
    return sum(found) if found else None


def _number(line: str) -> float | None:
    words = line.rpartition("}")[2].split() if "}" in line else line.split()[1:]
    try:
        value = float(words[0])
    except (IndexError, ValueError):
        return None
    return value if 0 <= value < math.inf else None
