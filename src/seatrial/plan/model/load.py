"""The ``load`` of a plan: everything that ``seatrial load`` has flags for, but what a system or a trial decides."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from seatrial import limits
from seatrial.plan.model.words import by_reader
from seatrial.schema.fields import AnyRate, Model, Switch
from seatrial.schema.quantities import COUNT, DURATION, RATE, SIZE, Quantity
from seatrial.units import parse_size_bytes
from seatrial.workload.profile import parse_profile
from seatrial.workload.requests import Request, many
from seatrial.workload.spec import DriverChoice
from seatrial.workload.tls import TlsVersion
from seatrial.workload.words import values
from seatrial.workload.words.options import Arrival, Reuse
from seatrial.workload.words.tls import DEFAULT_ALPN, host_or_address, protocols


def _network(source: str) -> str:
    try:
        network = ipaddress.ip_network(source, strict=False)
    except ValueError:
        raise ValueError(
            f"`{source}` is not a network: an address or a CIDR, such as `127.0.1.0/28`"
        ) from None
    if network.version != 4:
        raise ValueError(f"`{source}` is IPv6, and systems of a plan listen on IPv4: such as `127.0.1.0/28`")
    if network.num_addresses > limits.MAX_SOURCE_ADDRESSES:
        raise ValueError(
            f"`{source}` has {network.num_addresses:,} addresses: at most {limits.MAX_SOURCE_ADDRESSES:,}"
        )
    return source


# What Seatrial itself says in each request.
_OWN_FIELDS = {
    "host": "a plan's Host field is `host` in `load`",
    "content-length": "a request says itself how long its body is",
    "transfer-encoding": "a request says itself how long its body is",
}


def _field(pair: tuple[str, str]) -> tuple[str, str]:
    name, value = pair
    return values.header("header", f"{name}: {value}")


def _own(pair: tuple[str, str]) -> tuple[str, str]:
    if because := _OWN_FIELDS.get(pair[0].lower()):
        raise ValueError(f"`{pair[0]}` cannot be among the headers, for {because}: other fields")
    return pair


def _no_file(words: object) -> object:
    if isinstance(words, str) and words.startswith("@"):
        raise ValueError(f"`{words}` is a file, and a plan is whole by itself: write its lines here")
    return words


def _no_file_among(words: object) -> object:
    for word in words.split(",") if isinstance(words, str) else ():
        _no_file(word.strip())
    return words


def _whole_body(words: object) -> object:
    """Refuse a size that is out of range, which would else be taken for a text."""
    _no_file(words)
    if isinstance(words, int) and words == 0:
        return words
    if not isinstance(words, str):
        raise ValueError("this is no body: a size such as `600 B`, or a text")  # noqa: TRY004 (pydantic collects ValueError only)
    try:
        size = parse_size_bytes(words)
    except ValueError:
        if words.lstrip(" +-")[:1].isdigit():
            # A slip in a size, most likely; what would be sent is the slip.
            raise
        return words
    BODY.checked(size)
    return words


def _rates_in_range(words: str) -> None:
    for part in parse_profile(words):
        for rate_per_s in (part.from_per_s, part.to_per_s):
            RATE_RANGE.checked(rate_per_s)


BODY = Quantity(SIZE, 0, limits.MAX_BODY_BYTES)
RATE_RANGE = Quantity(RATE, limits.MIN_RATE_PER_S, limits.MAX_RATE_PER_S)
Bytes = Annotated[int, BODY]
Text = Annotated[str, BeforeValidator(_no_file_among)]
Status = Annotated[int, Quantity(COUNT, limits.MIN_STATUS, limits.MAX_STATUS)]
HeaderField = Annotated[tuple[str, str], by_reader(_field)]
Hosts = Annotated[Text, by_reader(lambda words: many(Request(), words, None))]
Paths = Annotated[Text, by_reader(lambda words: many(Request(), None, words))]


class TlsPlan(Model):
    """How clients speak TLS to the system, whose certificate a CA of the run's own issues and they verify."""

    version: TlsVersion | None = Field(
        None, description="Only this version; both 1.2 and 1.3 if left out.", examples=["1.3"]
    )
    sni: Annotated[str, by_reader(lambda name: host_or_address("sni", name))] | None = Field(
        None, description="Name to ask for and to verify, if not the address.", examples=["shop.example"]
    )
    alpn: Annotated[str, by_reader(protocols)] = Field(
        DEFAULT_ALPN, description="Protocols to offer.", examples=["http/1.1"]
    )
    resumption: Switch = Field(
        True, description="Whether later connections resume the sessions of earlier ones.", examples=[False]
    )


class LoadPlan(Model):
    """What the workers do to the system."""

    connections: Annotated[int, Quantity(COUNT, 0, limits.MAX_CONNECTIONS)] = Field(
        0,
        description="Idle connections, opened before the rate starts and held to the end.",
        examples=["100k"],
    )
    hold_traffic: Annotated[str, by_reader(values.hold_traffic)] = Field(
        "silent",
        description="What idle connections do: `silent`, `request:TIME`, `slow-read:TIME:BYTES`, `slow-send:TIME`.",
        examples=["request:10s"],
    )
    rate_per_s: AnyRate | None = Field(
        None, alias="rate", description="Requests per second of all workers together. Open loop only.",
        examples=["10k/s"],
    )  # fmt: skip
    profile: Annotated[str, by_reader(_rates_in_range)] | None = Field(
        None,
        description="In place of one rate: steps and ramps, each with its length. The last rate goes on.",
        examples=["1k@10s,1k..5k@30s"],
    )
    active: Annotated[int, Quantity(COUNT, 0, limits.MAX_CONNECTIONS)] = Field(
        50, description="Connections that carry the requests, beside the idle ones.", examples=[600]
    )
    connect_rate_per_s: Annotated[float, Quantity(RATE, 1, limits.MAX_RATE_PER_S)] = Field(
        2000,
        alias="connect_rate",
        description="Connections opened per second during the ramp.",
        examples=["2k/s"],
    )
    requests_per_connection: Annotated[int, Quantity(COUNT, 1, limits.MAX_ENGINE_COUNT)] | None = Field(
        None, description="An active connection is opened anew after so many answers.", examples=[100]
    )
    lifetime_s: Annotated[float, Quantity(DURATION, limits.MIN_TIME_S, limits.MAX_DURATION_S)] | None = Field(
        None, alias="lifetime", description="An active connection is opened anew after so long.",
        examples=["30 s"],
    )  # fmt: skip
    reuse: Reuse = Field(
        "lru",
        description="Which free connection takes the next request: the one idle for longest, or for shortest.",
        examples=["lru"],
    )
    arrival: Arrival = Field(
        "uniform",
        description="Intended send times: evenly spaced, or as of independent users.",
        examples=["poisson"],
    )
    loop: Literal["open", "closed"] = Field(
        "open",
        description="Open: sends when the schedule says so. Closed: sends when the answer before has come. "
        "The two are never compared.",
        examples=["open"],
    )
    timeout_s: Annotated[float, Quantity(DURATION, limits.MIN_TIME_S, limits.MAX_TIMEOUT_S)] = Field(
        2,
        alias="timeout",
        description="A request without a full answer by then has timed out.",
        examples=["2 s"],
    )
    workers: Annotated[int, Quantity(COUNT, 1, limits.MAX_WORKERS)] | None = Field(
        None, description="Load-generating processes. If left out: as few as the descriptor limit allows.",
        examples=[4],
    )  # fmt: skip
    driver: DriverChoice = Field(
        "epoll", description="What moves the bytes; `auto`: io_uring where it works.", examples=["auto"]
    )
    resolution: (
        Literal["auto", "fine"]
        | Annotated[float, Quantity(DURATION, limits.MIN_RESOLUTION_S, limits.MAX_RESOLUTION_S)]
    ) = Field(
        "auto",
        description="Grid of the intended send times: finer costs more CPU.",
        examples=["auto", "250 us"],
    )
    spin: Switch = Field(
        False, description="Workers never sleep: even to the microsecond, for a whole core each.",
        examples=[True],
    )  # fmt: skip
    interval_s: Annotated[float, Quantity(DURATION, limits.MIN_INTERVAL_S, limits.MAX_INTERVAL_S)] = Field(
        1, alias="interval", description="Length of the time series' steps.", examples=["1 s"]
    )
    sources: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        (), max_length=limits.MAX_SOURCES, examples=[["127.0.1.0/28"]],
        description="Source addresses (CIDR). If left out: chosen automatically.",
    )  # fmt: skip
    tls: TlsPlan | None = Field(
        None, description="Speak TLS to the system: `yes`, or a mapping.", examples=[True]
    )
    method: Annotated[str, by_reader(values.method)] = Field(
        "GET", description="Request method.", examples=["GET"]
    )
    path: Paths = Field(
        "/",
        description="Request paths: one, a template or a list, each with a weight after it if it has one.",
        examples=["/item/{1..100}"],
    )
    host: Hosts | None = Field(
        None,
        description="Host headers, if not the address: one, a template or a list, each with a weight after it "
        "if it has one.",
        examples=["route-{0..2999}.example.com"],
    )
    route_latency: Switch = Field(
        False, description="Keep latencies apart for each host and path.", examples=[True]
    )
    headers: tuple[Annotated[HeaderField, AfterValidator(_own)], ...] = Field(
        (),
        max_length=limits.MAX_HEADERS,
        description="Further request headers.",
        examples=[{"Accept": "*/*"}],
    )
    request_body: Annotated[Bytes | str, BeforeValidator(_whole_body)] = Field(
        0,
        union_mode="left_to_right",
        description="The request's body: so many bytes, or a text.",
        examples=["10 KB"],
    )
    expect_status: tuple[Status, ...] = Field(
        (),
        max_length=limits.MAX_EXPECTED_STATUSES,
        description="Statuses of answers that are expected, if not any of 2xx; others make a case FAIL.",
        examples=[[200, 404]],
    )
    expect_header: HeaderField | None = Field(
        None,
        description="A header field that every answer is expected to have.",
        examples=[{"X-Cache": "HIT"}],
    )
    expect_body: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="A text that is expected in every answer's body.", examples=["hello"]
    )

    @property
    def any_host(self) -> str:
        """What requests say as their host where any would do: the one that is given, if it is one."""
        given = self.host
        is_one = isinstance(given, str) and not set(given) & set("{ @")
        return str(given) if is_one else "localhost"

    @property
    def sends(self) -> bool:
        """Whether any request is sent."""
        return bool(self.rate_per_s or self.profile) or self.loop == "closed"

    @property
    def carrying(self) -> int:
        """The connections that do carry requests: none where nothing is sent."""
        return self.active if self.sends else 0

    @property
    def peak_rate_per_s(self) -> float | None:
        """The highest rate, None in closed loop and where nothing is sent."""
        if self.profile is None:
            return self.rate_per_s
        return max(max(part.from_per_s, part.to_per_s) for part in parse_profile(self.profile))
