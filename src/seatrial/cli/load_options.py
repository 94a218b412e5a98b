"""The words after ``seatrial load`` -> the spec of a load."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import SplitResult, urlsplit

from seatrial.cli.tls_options import TlsOptions
from seatrial.errors import EnvironmentFault, PlanError
from seatrial.generator.addresses import addresses_of
from seatrial.generator.profile import Stretch, constant, length_s, parse_profile
from seatrial.generator.requests import Expect, Request, many
from seatrial.generator.spec import HoldKind, HoldTraffic, LoadSpec, Target
from seatrial.plan import limits
from seatrial.units import parse_duration_s, parse_rate_per_s, parse_size_bytes

DEFAULT_DURATION_S = 10.0
HOLD_KINDS: dict[str, HoldKind] = {kind: kind for kind in get_args(HoldKind)}

MIN_INTERVAL_S = 0.01
"""Each frame takes the worker's time away from sending."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """The flags of ``seatrial load``, by their names, numbers already parsed: seconds, per second, counts."""

    url: str
    workers: float | None
    connections: float
    duration: float | None
    rate: str | None
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
    spin: bool
    hold_traffic: str
    reuse: Literal["lru", "mru"]
    requests_per_connection: float | None
    lifetime: float | None
    hosts: str | None
    paths: str | None
    expect_status: str | None
    expect_header: str | None
    expect_body: str | None
    route_latency: bool
    tls: TlsOptions

    def spec(self) -> LoadSpec:
        """Return the load; raises ``PlanError`` for words that make none, ``EnvironmentFault`` for an unknown host."""
        parts = _url(self.url)
        profile = _profile(self.rate)
        self._refuse_extremes(profile)
        if self.closed == (self.rate is not None) and self.connections:
            raise PlanError(
                "give either a rate (--rate 20k) or --closed",
                next_step="--rate keeps to its schedule whatever the server does; --closed waits for each answer",
            )
        return LoadSpec(
            targets=_targets(parts),
            requests=self._requests(parts),
            expect=self._expect(),
            loop="closed" if self.closed else "open",
            arrival=self.arrival,
            profile=profile,
            active=int(self.connections),
            held=int(self.hold),
            connect_rate_per_s=self.connect_rate,
            timeout_s=self.timeout,
            warmup_s=self.warmup,
            measure_s=self.duration
            or (length_s(profile) if "@" in (self.rate or "") else DEFAULT_DURATION_S),
            drain_s=self.timeout,
            interval_s=self.interval,
            resolution_s=_resolution_s(self.resolution),
            seed=self.seed,
            sources=_sources(self.sources),
            workers=int(self.workers) if self.workers else None,
            reuse=self.reuse,
            requests_per_connection=int(self.requests_per_connection)
            if self.requests_per_connection
            else None,
            lifetime_s=self.lifetime,
            hold=_hold_traffic(self.hold_traffic),
            spin=self.spin,
            route_latencies=self.route_latency,
            tls=self.tls.tls(parts.scheme, parts.hostname or ""),
        )

    def _refuse_extremes(self, profile: tuple[Stretch, ...]) -> None:
        if not self.connections + self.hold:
            raise PlanError("no connections are asked for", next_step="give --connections, --hold or both")
        # A plan may not ask for more either.
        bounds = (
            ("workers", self.workers or 1, limits.MAX_WORKERS),
            ("connections", self.connections + self.hold, limits.MAX_CONNECTIONS),
            ("rate", max((part.to_per_s for part in profile), default=1), limits.MAX_RATE_PER_S),
            ("seconds of --duration", self.duration or 1, limits.MAX_DURATION_S),
            ("seconds of --warmup", self.warmup, limits.MAX_DURATION_S),
            ("seconds of --timeout", self.timeout, limits.MAX_TIMEOUT_S),
            ("seconds of --resolution", _resolution_s(self.resolution) or 0, limits.MAX_RESOLUTION_S),
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

    def _requests(self, parts: SplitResult) -> tuple[Request, ...]:
        host, fields = _host_and_headers(parts, self.headers)
        base = Request(self.method.upper(), _path(parts), host, fields, _body(self.body))
        try:
            return many(base, self.hosts, self.paths)
        except (ValueError, OSError) as error:
            raise PlanError(
                f"--host or --path: {error}",
                next_step="a list a,b; a template route-{0..2999}.example.com; or @FILE with a line for each",
            ) from None

    def _expect(self) -> Expect | None:
        if not (self.expect_status or self.expect_header or self.expect_body):
            return None
        header = _header(self.expect_header) if self.expect_header else None
        try:
            status = tuple(int(code) for code in (self.expect_status or "").split(",") if code)
        except ValueError:
            raise PlanError(
                f"--expect-status {self.expect_status}: codes are numbers, such as 200,204"
            ) from None
        return Expect(status, header, self.expect_body)


def _profile(rate: str | None) -> tuple[Stretch, ...]:
    if rate is None:
        return ()
    try:
        if "@" in rate:
            return parse_profile(rate)
        rate_per_s = parse_rate_per_s(rate)
    except ValueError as error:
        raise PlanError(
            f"--rate: {error}", next_step="a rate such as 20k, or a profile such as 1k@10s,1k..5k@30s"
        ) from None
    if rate_per_s <= 0:
        raise PlanError(
            "--rate 0: a rate is above 0", next_step="use --connections 0 --hold N to hold connections only"
        )
    return constant(rate_per_s)


def _body(words: str) -> str:
    if words.startswith("@"):
        try:
            return Path(words[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PlanError(
                f"--body {words}: {error}", next_step="name a text file that can be read"
            ) from None
    try:
        return "x" * parse_size_bytes(words) if words[:1].isdigit() else words
    except ValueError:
        return words


def _hold_traffic(words: str) -> HoldTraffic:
    kind, *rest = words.split(":")
    try:
        every_s = parse_duration_s(rest[0]) if rest else 1.0
        size = int(rest[1]) if len(rest) > 1 else 100
    except ValueError as error:
        raise PlanError(
            f"--hold-traffic: {error}", next_step="such as request:10s or slow-read:1s:100"
        ) from None
    if kind.replace("-", "_") not in HOLD_KINDS or every_s <= 0 or size <= 0:
        raise PlanError(
            f"--hold-traffic {words} is none of silent, request:TIME, slow-read:TIME:BYTES, slow-send:TIME"
        )
    return HoldTraffic(HOLD_KINDS[kind.replace("-", "_")], every_s, size)


def _url(url: str) -> SplitResult:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise PlanError(
            f"{url} is not a URL that can be loaded",
            cause="http:// and https:// are what can be spoken",
            next_step="give a URL such as http://127.0.0.1:8080/ or https://127.0.0.1:8443/",
        )
    return parts


def _path(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _targets(parts: SplitResult) -> tuple[Target, ...]:
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
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
    for words in headers:
        name, value = _header(words)
        if name.lower() == "host":
            host = value
        else:
            fields.append((name, value))
    return host, tuple(fields)


def _header(words: str) -> tuple[str, str]:
    name, colon, value = words.partition(":")
    if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name.strip()) or "\n" in value:
        raise PlanError(f"{words!r} is not a header", next_step="write it as 'Name: value'")
    return name.strip(), value.strip()


def _resolution_s(text: str) -> float | None:
    if text == "auto":
        return None
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
