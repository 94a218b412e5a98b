"""The flags of ``seatrial load`` by what they are about; ``LoadOptions`` has a field for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def _flags(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


pace_flags = _flags(
    click.option(
        "-R",
        "--rate",
        metavar="RATE|PROFILE",
        help="Requests per second (open loop), such as 20k, or a profile: 1k@10s,1k..5k@30s.",
    ),
    click.option(
        "--closed", is_flag=True, help="Closed loop: each connection sends when its last answer is in."
    ),
    click.option(
        "--arrival",
        type=click.Choice(["uniform", "poisson"]),
        default="uniform",
        show_default=True,
        help="Spread of the send times.",
    ),
    click.option(
        "-d",
        "--duration",
        metavar="TIME",
        help="How long to measure; 10s, or as long as the profile, if not given.",
    ),
    click.option(
        "--stable-for",
        metavar="TIME",
        default="0s",
        show_default=True,
        help="How long every connection has to stay open before the load begins.",
    ),
    click.option(
        "--warmup", metavar="TIME", default="0s", show_default=True, help="Load before measuring begins."
    ),
    click.option(
        "--timeout",
        metavar="TIME",
        default="2s",
        show_default=True,
        help="How long an answer may take.",
    ),
    click.option(
        "--resolution",
        default="auto",
        show_default=True,
        metavar="auto|fine|TIME",
        help="Grid of the send times; in closed loop, the longest nap.",
    ),
    click.option(
        "--spin", is_flag=True, help="Never sleep: sends even to the microsecond, for a whole core."
    ),
    click.option(
        "--driver",
        type=click.Choice(("epoll", "io_uring", "auto")),
        default="epoll",
        show_default=True,
        help="What moves the bytes; auto: io_uring where it works.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**63 - 1),
        default=1,
        show_default=True,
        help="Of everything random.",
    ),
)

connection_flags = _flags(
    click.option(
        "-t",
        "--workers",
        "--threads",
        metavar="COUNT",
        help="Worker processes; as many as needed if not given.",
    ),
    click.option(
        "-c",
        "--connections",
        metavar="COUNT",
        default="10",
        show_default=True,
        help="Connections carrying requests.",
    ),
    click.option(
        "--hold",
        metavar="COUNT",
        default="0",
        show_default=True,
        help="Idle connections held beside the load.",
    ),
    click.option(
        "--hold-traffic",
        default="silent",
        show_default=True,
        metavar="KIND[:TIME[:BYTES]]",
        help="What idle connections do: silent, request:10s, slow-read:1s:100, slow-send:1s.",
    ),
    click.option(
        "--connect-rate",
        metavar="RATE",
        default="2k",
        show_default=True,
        help="Connections opened per second.",
    ),
    click.option(
        "--reuse",
        type=click.Choice(["lru", "mru"]),
        default="lru",
        show_default=True,
        help="Which free connection takes the next request.",
    ),
    click.option(
        "--requests-per-connection",
        metavar="COUNT",
        help="Open an active connection anew after so many answers.",
    ),
    click.option("--lifetime", metavar="TIME", help="Open an active connection anew after so long."),
    click.option(
        "--target",
        multiple=True,
        metavar="HOST[:PORT],...",
        help="Where to connect to in place of the URL's address; several take turns.",
    ),
    click.option("--source", multiple=True, metavar="CIDR", help="Local addresses to connect from."),
)

request_flags = _flags(
    click.option("-H", "--header", multiple=True, metavar="'NAME: VALUE'", help="A request header."),
    click.option("--method", default="GET", show_default=True, help="The request's method."),
    click.option(
        "--body",
        default="",
        metavar="TEXT|@FILE|SIZE",
        help="The request's body: a text, a file's, or so many bytes (10 KB).",
    ),
    click.option(
        "--host",
        metavar="LIST|TEMPLATE|@FILE",
        help="Host headers: a,b or route-{0..2999}.example.com or a file; each `HOST[/PATH] [WEIGHT]`.",
    ),
    click.option(
        "--path",
        metavar="LIST|TEMPLATE|@FILE",
        help="Paths, in the same ways; the URL's if not given.",
    ),
    click.option("--expect-status", metavar="LIST", help="Status codes that are expected: 200,204."),
    click.option("--expect-header", metavar="'NAME: VALUE'", help="A header field that is expected."),
    click.option("--expect-body", metavar="TEXT", help="A text that is expected in the body."),
)

output_flags = _flags(
    click.option(
        "--interval",
        metavar="TIME",
        default="1s",
        show_default=True,
        help="Length of the time series' steps.",
    ),
    click.option(
        "--hdr-log",
        type=click.Path(dir_okay=False),
        help="Write the latencies of each interval as a V2 histogram log.",
    ),
    click.option("--csv", type=click.Path(dir_okay=False), help="Write the time series as CSV."),
    click.option("--route-latency", is_flag=True, help="Keep latencies apart for each host and path."),
    click.option("--latency", is_flag=True, help="Print the whole spectrum of latencies, as wrk2 does."),
)
