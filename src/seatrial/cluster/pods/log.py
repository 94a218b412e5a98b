"""A container's log, followed through the API, and gone on with after a break where it was.

The log is asked for again from the second of the last line on (the API's times have no more), and what was seen of that
second is dropped. A kubelet serves the current file only, and begins another at 10 MiB by default: where the last line
is not found again it is not there any more, and what followed it may be missing. Who has to know for certain numbers
the lines; :class:`Resumed` says where to look.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.cluster.connection.lines import Lines
from seatrial.cluster.pods.facts import facts_of
from seatrial.errors import ClusterFault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from seatrial.cluster.client import Client
    from seatrial.cluster.pods.facts import ContainerFacts

_POLL_S = 0.25
_POLL_LIMIT_S = 4.0
_PAUSE_LIMIT_S = 2.0
_FRACTION = re.compile(r"\.\d+")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line, without its end. ``at`` is when the node's runtime wrote it (RFC 3339), ``seen_s`` CLOCK_MONOTONIC."""

    text: str
    at: str
    seen_s: float


@dataclass(frozen=True, slots=True)
class Resumed:
    """The log was gone on with after a break. Unless ``is_whole`` the last line was not found again: a hole may be."""

    because: str
    is_whole: bool
    seen_s: float


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How long nothing may come before the log is asked for again, it may not be had at all, a start may take.

    What is silent and what has died look the same: one whose lines come twice a second is asked for again sooner.
    """

    quiet_s: float = 30.0
    outage_s: float = 120.0
    start_s: float = 600.0


class LogFollower:
    """Follows the log of one container to its end. ``breaks`` counts how often it was gone on with."""

    def __init__(
        self,
        client: Client,
        namespace: str,
        pod: str,
        container: str,
        *,
        limits: LogLimits | None = None,
    ) -> None:
        self.breaks = 0
        self.name = f"{namespace}/{pod}/{container}"
        self._client = client
        self._pod_path = f"/api/v1/namespaces/{namespace}/pods/{pod}"
        self._container = container
        self._limits = limits or LogLimits()
        self._last: tuple[str, str] | None = None
        self._seen_of_second: Counter[tuple[str, str]] = Counter()

    async def items(self, *, is_started: bool = False) -> AsyncIterator[LogLine | Resumed]:
        """Yield its lines as they come, until the container has ended and all of it was read.

        Raises ``ClusterFault`` where the pod is gone (status 404), it may not be read (403), the container has not
        started within its limit, or its log could not be had for as long as the limits allow. Who watches the pods and
        knows that it has started says so (``is_started``): it is not asked for then.
        """
        if not is_started:
            await self._started()
        away_since_s: float | None = None
        because, pauses = "", _pauses()
        while True:
            try:
                # What had ended before the log was read cannot write any more: that reading is the last.
                has_ended = await self._has_ended()
                async for item in self._read(because, follow=not has_ended):
                    yield item
                    away_since_s, pauses = None, _pauses()
                if has_ended:
                    return
                because = "the stream ended"
            except ClusterFault as fault:
                if fault.status in {401, 403, 404}:
                    raise
                because = fault.what
                away_since_s = away_since_s or time.monotonic()
                if time.monotonic() - away_since_s > self._limits.outage_s:
                    raise
                await asyncio.sleep(next(pauses))

    async def _read(self, because: str, *, follow: bool) -> AsyncIterator[LogLine | Resumed]:
        """Read once, from where it was; what was seen is dropped."""
        params = {"container": self._container, "timestamps": "true", "follow": "true" if follow else "false"}
        to_find, dropped = None, Counter(self._seen_of_second)
        if self._last is not None:
            params["sinceTime"] = _second_of(self._last[0])
            to_find = self._last
            self.breaks += follow
        reading = self._client.lines(
            f"{self._pod_path}/log",
            params,
            quiet_limit_s=self._limits.quiet_s,
            asked=f"read the log of {self.name}",
        )
        async with reading as lines:
            async for at, text in _stamped(lines, is_last=not follow):
                if dropped[at, text] > 0:
                    dropped[at, text] -= 1
                    if (at, text) == to_find:
                        to_find = None
                        if follow:
                            yield Resumed(because, True, time.monotonic())
                    continue
                if to_find is not None:
                    to_find = None
                    yield Resumed(because, False, time.monotonic())
                self._take(at, text)
                yield LogLine(text, at, time.monotonic())

    def _take(self, at: str, text: str) -> None:
        if self._last is None or _second_of(self._last[0]) != _second_of(at):
            self._seen_of_second.clear()
        self._seen_of_second[at, text] += 1
        self._last = at, text

    async def _started(self) -> None:
        """Wait until there is a log."""
        deadline_s, pause_s = time.monotonic() + self._limits.start_s, _POLL_S
        while True:
            container = await self._facts()
            if container is not None and (container.state != "waiting" or container.restarts):
                return
            if time.monotonic() > deadline_s:
                why = container.reason if container is not None else "no node has it yet"
                raise ClusterFault(
                    f"container {self.name} has not started within {self._limits.start_s:g} s",
                    cause=why or None,
                    next_step=f"kubectl describe {self._pod_path.rpartition('/')[2]}",
                )
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _POLL_LIMIT_S)

    async def _has_ended(self) -> bool:
        container = await self._facts()
        return container is not None and container.state == "terminated"

    async def _facts(self) -> ContainerFacts | None:
        asked = f"read pod {self.name}"
        return facts_of((await self._client.get(self._pod_path, asked=asked)).body).container(self._container)


async def _stamped(lines: Lines, *, is_last: bool) -> AsyncIterator[tuple[str, str]]:
    """Yield time and text of each line; what has no end is a line only where nothing can follow it."""
    async for line in lines:
        yield _split(line)
    if is_last and lines.rest:
        yield _split(lines.rest)


def _split(line: bytes) -> tuple[str, str]:
    at, _, text = line.decode(errors="replace").partition(" ")
    return at, text


def _second_of(at: str) -> str:
    """Return a time without its fraction, in the zone that it was given in: the node's own."""
    return _FRACTION.sub("", at)


def _pauses() -> Iterator[float]:
    pause_s = 0.1
    while True:
        yield pause_s * (0.5 + random.random())
        pause_s = min(2 * pause_s, _PAUSE_LIMIT_S)
