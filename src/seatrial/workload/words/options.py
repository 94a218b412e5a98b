"""What a person asks of a load -> its spec: for the flags of ``seatrial load`` and for ``seatrial.load()`` alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from seatrial import limits
from seatrial.errors import PlanError
from seatrial.units import format_duration
from seatrial.workload.profile import length_s
from seatrial.workload.requests import Expect, Request, many
from seatrial.workload.spec import DriverChoice, LoadSpec
from seatrial.workload.tls import Tls, TlsVersion
from seatrial.workload.words import values
from seatrial.workload.words.body import request_body
from seatrial.workload.words.tls import DEFAULT_ALPN, TlsOptions
from seatrial.workload.words.types import require_types
from seatrial.workload.words.urls import LoadUrl, read_url

Arrival = Literal["uniform", "poisson"]
Reuse = Literal["lru", "mru"]

DEFAULT_DURATION_S = 10.0
MAX_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """The flags of ``seatrial load`` by their names, ``-`` being ``_``, with their defaults.

    A quantity is a number or the text that the flag takes. Numbers are seconds for times, requests or connections per
    second for rates, bytes for ``body``; a text has a unit (``"250 ms"``, ``"20k"``).
    """

    url: str = field(kw_only=False)
    rate: float | str | None = None
    closed: bool = False
    arrival: Arrival = "uniform"
    duration: float | str | None = None
    stable_for: float | str = "0s"
    warmup: float | str = "0s"
    timeout: float | str = "2s"
    resolution: float | str = "auto"
    spin: bool = False
    driver: DriverChoice = "epoll"
    seed: int = 1
    workers: int | str | None = None
    connections: int | str = "10"
    hold: int | str = "0"
    hold_traffic: str = "silent"
    connect_rate: float | str = "2k"
    reuse: Reuse = "lru"
    requests_per_connection: int | str | None = None
    lifetime: float | str | None = None
    target: str | Sequence[str] = ()
    source: str | Sequence[str] = ()
    header: str | Sequence[str] | Mapping[str, str] = ()
    method: str = "GET"
    body: int | str | bytes = ""
    host: str | None = None
    path: str | None = None
    expect_status: int | str | Sequence[int] | None = None
    expect_header: str | None = None
    expect_body: str | None = None
    interval: float | str = "1s"
    route_latency: bool = False
    insecure: bool = False
    ca: Path | str | None = None
    cert: Path | str | None = None
    key: Path | str | None = None
    sni: str | None = None
    tls: TlsVersion | None = None
    alpn: str = DEFAULT_ALPN
    no_resumption: bool = False

    def spec(self) -> LoadSpec:
        """Return the load; looks the host's name up.

        Raises
        ------
        PlanError
            The words make no load.
        EnvironmentFault
            The host is unknown.
        """
        require_types(self)
        url = read_url(self.url)
        profile = values.profile(self.rate)
        timeout_s = values.duration_s("timeout", self.timeout, above_zero=True)
        load = LoadSpec(
            targets=values.targets(url, self.target),
            authority=url.authority,
            requests=self._requests(url),
            expect=self._expect(),
            loop="closed" if self.closed else "open",
            arrival=values.choice("arrival", self.arrival, get_args(Arrival)),
            profile=profile,
            active=values.count("connections", self.connections),
            held=values.count("hold", self.hold),
            connect_rate_per_s=values.rate_per_s("connect-rate", self.connect_rate),
            timeout_s=timeout_s,
            stable_for_s=values.duration_s("stable-for", self.stable_for),
            warmup_s=values.duration_s("warmup", self.warmup),
            measure_s=values.duration_s("duration", self.duration, above_zero=True)
            if self.duration is not None
            else (length_s(profile) if "@" in str(self.rate) else DEFAULT_DURATION_S),
            drain_s=timeout_s,
            interval_s=values.duration_s("interval", self.interval, above_zero=True),
            resolution_s=values.resolution_s(self.resolution),
            seed=values.bounded("seed", self.seed, MAX_SEED),
            sources=values.sources(self.source),
            workers=values.optional_count("workers", self.workers),
            reuse=values.choice("reuse", self.reuse, get_args(Reuse)),
            requests_per_connection=values.optional_count(
                "requests-per-connection", self.requests_per_connection
            ),
            lifetime_s=None
            if self.lifetime is None
            else values.duration_s("lifetime", self.lifetime, above_zero=True),
            hold=values.hold_traffic(self.hold_traffic),
            spin=self.spin,
            driver=values.choice("driver", self.driver, get_args(DriverChoice)),
            route_latencies=self.route_latency,
            tls=self._tls(url),
        )
        self._refuse_contradictions(load)
        _refuse_too_much(load)
        _refuse_too_short(load)
        return load

    def _refuse_contradictions(self, load: LoadSpec) -> None:
        if not load.active + load.held:
            raise PlanError("no connections are asked for", next_step="give --connections, --hold or both")
        if self.closed == (self.rate is not None) and load.active:
            raise PlanError(
                "give either a rate (--rate 20k) or --closed",
                next_step="--rate keeps to its schedule whatever the server does; --closed waits for each answer",
            )
        if load.loop == "closed" and load.arrival != "uniform":
            raise PlanError(
                f"--arrival {load.arrival} is of a schedule, and --closed has none",
                next_step="give a rate (--rate 20k) in place of --closed, or leave --arrival out",
            )
        if load.hold.kind != "silent" and not load.held:
            raise PlanError(
                "--hold-traffic is of held connections, and none are asked for", next_step="give --hold, too"
            )
        for source in load.sources:
            if any((":" in target.host) != (":" in source) for target in load.targets):
                raise PlanError(
                    f"--source {source} and {load.targets[0].host} are addresses of different kinds",
                    next_step="give sources of IPv4 for targets of IPv4, and of IPv6 for those of IPv6",
                )

    def _requests(self, url: LoadUrl) -> tuple[Request, ...]:
        host, fields = values.host_and_headers(url, self.header, self.host)
        body = request_body(self.body)
        if body:
            values.refuse_second_length(fields)
        base = Request(values.method(self.method), url.path, host, fields, body)
        try:
            return many(base, self.host, self.path)
        except ValueError as error:
            raise PlanError(
                str(error),
                next_step="a list a,b; a template route-{0..2999}.example.com; or @FILE with a line for each",
            ) from None

    def _expect(self) -> Expect | None:
        status = values.status_codes(self.expect_status)
        if not (status or self.expect_header or self.expect_body):
            return None
        header = values.header("expect-header", self.expect_header) if self.expect_header else None
        return Expect(
            status, header, values.text("expect-body", self.expect_body) if self.expect_body else None
        )

    def _tls(self, url: LoadUrl) -> Tls | None:
        options = TlsOptions(
            insecure=self.insecure,
            ca=self.ca,
            cert=self.cert,
            key=self.key,
            sni=self.sni,
            version=self.tls,
            alpn=self.alpn,
            no_resumption=self.no_resumption,
        )
        return options.tls(url.scheme, url.host)


def _refuse_too_much(load: LoadSpec) -> None:
    acting = load.held if load.hold.kind != "silent" else 0
    # A plan may not ask for more either.
    bounds = (
        ("workers", load.workers or 1, limits.MAX_WORKERS),
        ("connections", load.active + load.held, limits.MAX_CONNECTIONS),
        ("rate", load.peak_rate_per_s or 1, limits.MAX_RATE_PER_S),
        ("actions per second of --hold-traffic", acting / load.hold.every_s, limits.MAX_RATE_PER_S),
        ("--requests-per-connection", load.requests_per_connection or 1, limits.MAX_ENGINE_COUNT),
        ("seconds of --duration", load.measure_s, limits.MAX_DURATION_S),
        ("seconds of --stable-for", load.stable_for_s, limits.MAX_DURATION_S),
        ("seconds of --warmup", load.warmup_s, limits.MAX_DURATION_S),
        ("seconds of --lifetime", load.lifetime_s or 0, limits.MAX_DURATION_S),
        ("seconds of --hold-traffic", load.hold.every_s, limits.MAX_DURATION_S),
        ("seconds of --interval", load.interval_s, limits.MAX_DURATION_S),
        ("seconds of --timeout", load.timeout_s, limits.MAX_TIMEOUT_S),
        ("seconds of --resolution", load.resolution_s or 0, limits.MAX_RESOLUTION_S),
    )
    for name, asked, most in bounds:
        if asked > most:
            raise PlanError(
                f"{asked:,.10g} {name} are more than a load may have", next_step=f"at most {most:,.10g}"
            )


def _refuse_too_short(load: LoadSpec) -> None:
    bounds = (
        ("--interval", load.interval_s, limits.MIN_INTERVAL_S),
        ("--duration", load.measure_s, limits.MIN_TIME_S),
        ("a part of --rate", min((part.length_s for part in load.profile), default=1.0), limits.MIN_TIME_S),
        ("--timeout", load.timeout_s, limits.MIN_TIME_S),
        # Without one there is nothing to be too short; of `fine` (0) neither.
        ("--resolution", load.resolution_s or limits.MIN_RESOLUTION_S, limits.MIN_RESOLUTION_S),
        ("--warmup", load.warmup_s or limits.MIN_TIME_S, limits.MIN_TIME_S),
        ("--lifetime", load.lifetime_s or limits.MIN_TIME_S, limits.MIN_TIME_S),
    )
    for name, asked_s, least_s in bounds:
        if asked_s < least_s:
            raise PlanError(
                f"{name} of {format_duration(asked_s)} is too short",
                next_step=f"at least {format_duration(least_s)}",
            )
