"""The words after ``seatrial load`` -> the spec of a load."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from seatrial.errors import EnvironmentFault, PlanError
from seatrial.load.addresses import addresses_of
from seatrial.load.spec import AUTO_RESOLUTION_S, LoadSpec, Request, Target
from seatrial.plan import limits
from seatrial.units import parse_duration_s

MIN_INTERVAL_S = 0.01
"""Each frame takes the worker's time away from sending."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """The flags of ``seatrial load``, by their names, numbers already parsed: seconds, per second, counts."""

    url: str
    workers: float | None
    connections: float
    duration: float
    rate: float | None
    closed: bool
    arrival: Literal["uniform", "poisson"]
    headers: tuple[str, ...]
    method: str
    body: str
    hold: float
    connect_rate: float
    warmup: float
    timeout: float
    sources: tuple[str, ...]
    interval: float
    resolution: str
    seed: int
    latency: bool

    def spec(self) -> LoadSpec:
        """Return the load; raises ``PlanError`` for words that make none, ``EnvironmentFault`` for an unknown host."""
        parts = _url(self.url)
        self._refuse_extremes()
        if self.closed == (self.rate is not None) and self.connections:
            raise PlanError(
                "give either a rate (--rate 20k) or --closed",
                next_step="--rate keeps to its schedule whatever the server does; --closed waits for each answer",
            )
        host, fields = _host_and_headers(parts, self.headers)
        request = Request(self.method.upper(), _path(parts), host, fields, self.body)
        return LoadSpec(
            targets=_targets(parts),
            request=request,
            loop="closed" if self.closed else "open",
            arrival=self.arrival,
            rate_per_s=self.rate,
            active=int(self.connections),
            held=int(self.hold),
            connect_rate_per_s=self.connect_rate,
            timeout_s=self.timeout,
            warmup_s=self.warmup,
            measure_s=self.duration,
            drain_s=self.timeout,
            interval_s=self.interval,
            resolution_s=_resolution_s(self.resolution),
            seed=self.seed,
            sources=_sources(self.sources),
            workers=int(self.workers) if self.workers else None,
        )

    def _refuse_extremes(self) -> None:
        if not self.connections + self.hold:
            raise PlanError("no connections are asked for", next_step="give --connections, --hold or both")
        # A plan may not ask for more either.
        bounds = (
            ("workers", self.workers or 1, limits.MAX_WORKERS),
            ("connections", self.connections + self.hold, limits.MAX_CONNECTIONS),
            ("rate", self.rate or 1, limits.MAX_RATE_PER_S),
            ("seconds of --duration", self.duration, limits.MAX_DURATION_S),
            ("seconds of --warmup", self.warmup, limits.MAX_DURATION_S),
            ("seconds of --timeout", self.timeout, limits.MAX_TIMEOUT_S),
            ("seconds of --resolution", _resolution_s(self.resolution), limits.MAX_RESOLUTION_S),
        )
        for name, asked, most in bounds:
            if asked > most:
                raise PlanError(
                    f"{asked:g} {name} are more than a load may have", next_step=f"at most {most:g}"
                )
        if self.interval < MIN_INTERVAL_S:
            raise PlanError(
                f"--interval of {self.interval:g} s is too short", next_step=f"at least {MIN_INTERVAL_S:g} s"
            )


def _url(url: str) -> SplitResult:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise PlanError(
            f"{url} is not a URL that can be loaded",
            cause="http:// is what there is so far; https:// is to come",
            next_step="give a URL such as http://127.0.0.1:8080/",
        )
    return parts


def _path(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _targets(parts: SplitResult) -> tuple[Target, ...]:
    try:
        port = parts.port or 80
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (ValueError, OSError) as error:
        raise EnvironmentFault(
            f"{parts.netloc} cannot be resolved: {error}", next_step="check the name, or give an IP address"
        ) from None
    # The first answer is the one that connect() would be given; the others are the same service elsewhere.
    return (Target(str(found[0][4][0]), port),)


def _host_and_headers(
    parts: SplitResult, headers: tuple[str, ...]
) -> tuple[str, tuple[tuple[str, str], ...]]:
    host, fields = parts.netloc.rpartition("@")[2], []
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name.strip()) or "\n" in value:
            raise PlanError(f"{header!r} is not a header", next_step="write it as 'Name: value'")
        if name.strip().lower() == "host":
            host = value.strip()
        else:
            fields.append((name.strip(), value.strip()))
    return host, tuple(fields)


def _resolution_s(text: str) -> float:
    if text == "auto":
        return AUTO_RESOLUTION_S
    if text == "fine":
        return 0.0
    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise PlanError(
            f"--resolution {text}: {error}", next_step="auto, fine, or a time such as 250us"
        ) from None


def _sources(cidrs: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return addresses_of(cidrs)
    except ValueError as error:
        raise PlanError(f"--source: {error}", next_step="give a range such as 127.0.0.0/28") from None
